/** The viewer's looks. As a constructed sheet in a shadow root it needs no style rule in the page's policy. */

export const STYLE = `
:host { display: block; width: 100%; height: 100%; min-height: 320px; contain: content; }
* { box-sizing: border-box; }
.viewer {
  --ground: #07090d; --bar: #11151c; --raised: #1a202a; --line: #2a323f;
  --text: #e8ecf2; --soft: #a3afc0; --accent: #5ec8f2; --warn: #ffb86b;
  --axial: #ff7a7a; --coronal: #6fdc9a; --sagittal: #ffd166;
  display: flex; flex-direction: column; width: 100%; height: 100%; overflow: hidden; position: relative;
  background: var(--ground); color: var(--text); border-radius: inherit; color-scheme: dark;
  font: 13px/1.35 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif;
  font-variant-numeric: tabular-nums; -webkit-font-smoothing: antialiased;
}
.bar { display: flex; align-items: center; gap: 12px; padding: 6px 12px; background: var(--bar);
  border-bottom: 1px solid var(--line); min-height: 48px; flex: none; flex-wrap: wrap; row-gap: 6px; }
.title { flex: 1 1 120px; min-width: 60px; display: flex; align-items: center; gap: 8px; overflow: hidden; }
.title strong { font-weight: 600; font-size: 14px; white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
.badge { flex: none; padding: 1px 7px; border: 1px solid var(--line); border-radius: 999px; color: var(--soft);
  font-size: 11px; letter-spacing: .04em; }
.badge:empty { display: none; }
.group { display: flex; align-items: center; gap: 2px; padding: 2px; background: var(--ground);
  border: 1px solid var(--line); border-radius: 9px; flex: none; }
button, select, input { font: inherit; color: inherit; }
button { display: inline-flex; align-items: center; justify-content: center; gap: 6px; height: 32px; min-width: 34px;
  padding: 0 7px; border: 0; border-radius: 7px; background: transparent; color: var(--soft); cursor: pointer; }
button:hover { background: var(--raised); color: var(--text); }
button[aria-pressed="true"] { background: #17384a; color: #8fdcff; }
:is(button, select, input, .pane):focus-visible { outline: 2px solid var(--accent); outline-offset: 1px; }
.choice { position: relative; display: flex; align-items: center; flex: none; }
.choice select { appearance: none; height: 36px; max-width: 172px; padding: 0 30px 0 11px; background: var(--ground);
  border: 1px solid var(--line); border-radius: 9px; cursor: pointer; text-overflow: ellipsis; }
.choice select:hover { border-color: #3c4757; }
.choice svg { position: absolute; right: 7px; pointer-events: none; color: var(--soft); }
option { background: var(--bar); color: var(--text); }

.stage { position: relative; flex: 1 1 0; min-height: 0; overflow: hidden; background: var(--line); }
canvas { position: absolute; inset: 0; width: 100%; height: 100%; display: block; }
.grid { position: absolute; inset: 0; display: grid; gap: 1px; grid-template: var(--half-height) 1fr / var(--half-width) 1fr; }
.grid[data-count="1"] { grid-template: 1fr / 1fr; }
.pane { position: relative; overflow: hidden; touch-action: none; user-select: none; -webkit-user-select: none;
  outline-offset: -2px !important; min-width: 0; min-height: 0; box-shadow: inset 0 2px 0 transparent; }
.pane[data-tool="crosshair"] { cursor: crosshair; }
.pane[data-tool="window"] { cursor: ns-resize; }
.pane[data-tool="scroll"] { cursor: row-resize; }
.pane[data-tool="pan"] { cursor: move; }
.pane[data-tool="zoom"] { cursor: zoom-in; }
.pane[hidden] { display: none; }
.pane > * { pointer-events: none; }
.lines { position: absolute; inset: 0; width: 100%; height: 100%; }
.lines line { stroke-width: 1; opacity: .8; }
.line-axial { stroke: var(--axial); } .line-coronal { stroke: var(--coronal); } .line-sagittal { stroke: var(--sagittal); }
.label, .letter, .foot { position: absolute; text-shadow: 0 0 3px #000, 0 0 2px #000, 0 1px 2px #000; }
.label { top: 9px; left: 11px; display: flex; align-items: center; gap: 7px; font-weight: 600; }
.label::before { content: ""; width: 8px; height: 8px; border-radius: 50%; background: var(--colour); }
.label span { font-weight: 400; color: #c9d2de; }
.pane[data-plane="axial"] { --colour: var(--axial); }
.pane[data-plane="coronal"] { --colour: var(--coronal); }
.pane[data-plane="sagittal"] { --colour: var(--sagittal); }
.grid[data-count="3"] .pane[data-active] { box-shadow: inset 0 2px 0 var(--colour); }
.letter { color: #dbe2ec; font-weight: 600; font-size: 13px; letter-spacing: .02em; }
.letter[data-edge="left"] { left: 11px; top: 50%; transform: translateY(-50%); }
.letter[data-edge="right"] { right: 28px; top: 50%; transform: translateY(-50%); }
.letter[data-edge="top"] { top: 9px; left: 50%; transform: translateX(-50%); }
.letter[data-edge="bottom"] { bottom: 9px; left: 50%; transform: translateX(-50%); }
.foot { left: 11px; bottom: 9px; display: flex; flex-direction: column; gap: 4px; font-size: 12px; color: #d5dce6; }
.grid[data-count="3"] .foot .windowing { display: none; }
.ruler { display: flex; flex-direction: column; gap: 2px; }
.ruler i { display: block; height: 5px; border: solid #d5dce6; border-width: 0 1px 1px; }
.pane input[type="range"] { pointer-events: auto; position: absolute; right: 3px; top: 34px; bottom: 34px; width: 20px;
  height: calc(100% - 68px); margin: 0; writing-mode: vertical-lr; appearance: none; background: transparent;
  cursor: pointer; opacity: .75; transition: opacity .15s; }
.pane input[type="range"]:is(:hover, :focus-visible, :active) { opacity: 1; }
.pane input::-webkit-slider-runnable-track { width: 3px; border-radius: 2px; background: rgb(148 163 184 / .38); }
.pane input::-moz-range-track { width: 3px; border-radius: 2px; background: rgb(148 163 184 / .38); }
.pane input::-webkit-slider-thumb { appearance: none; width: 13px; height: 13px; margin-left: -5px; border-radius: 50%;
  background: var(--colour); border: 2px solid var(--ground); }
.pane input::-moz-range-thumb { width: 9px; height: 9px; border-radius: 50%; background: var(--colour);
  border: 2px solid var(--ground); }

/* Not quite opaque: Chromium 156's software compositor leaves a hole in a canvas that an opaque box covers in part. */
.panel { background: rgb(17 21 28 / .99); overflow: auto; container-type: inline-size; }
.details { display: grid; grid-template-columns: 1fr 1fr; gap: 14px 28px; padding: 14px 18px; align-content: start; }
.wide { grid-column: 1 / -1; }
@container (max-width: 520px) {
  .details { grid-template-columns: 1fr; gap: 12px; padding: 12px 14px; }
  .last { order: 3; }
  .histogram { height: 44px; }
}
.panel[hidden] { display: none; }
.panel h2 { margin: 0 0 6px; font-size: 11px; font-weight: 600; letter-spacing: .08em; text-transform: uppercase;
  color: var(--soft); }
.reading { font-size: 24px; margin-bottom: 4px; font-weight: 600; line-height: 1.15; letter-spacing: -.01em; }
.reading small { font-size: 14px; font-weight: 400; color: var(--soft); margin-left: 6px; letter-spacing: 0; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 3px 14px; margin: 0; }
dt { color: var(--soft); } dd { margin: 0; text-align: right; overflow-wrap: anywhere; }
.numbers { display: grid; grid-template-columns: 1fr 1fr; gap: 10px; margin-top: 8px; }
.numbers label { display: flex; flex-direction: column; gap: 3px; color: var(--soft); font-size: 12px; }
.numbers input { width: 100%; height: 32px; padding: 0 9px; border: 1px solid var(--line); border-radius: 7px;
  background: var(--ground); color: var(--text); }
.histogram { display: block; width: 100%; height: 64px; border-radius: 7px; background: var(--ground);
  border: 1px solid var(--line); }
.histogram .counts { fill: #55708a; } .histogram .range { fill: rgb(94 200 242 / .16); }
.histogram .ramp { stroke: var(--accent); stroke-width: 1.5; fill: none; vector-effect: non-scaling-stroke; }

.status { display: flex; align-items: center; gap: 20px; flex: none; min-height: 30px; padding: 4px 12px;
  background: var(--bar); border-top: 1px solid var(--line); color: var(--soft); font-size: 12px; white-space: nowrap;
  overflow: hidden; }
.status b { font-weight: 500; color: var(--text); }
.status .detail { margin-left: auto; overflow: hidden; text-overflow: ellipsis; }
.progress { position: absolute; left: 0; right: 0; top: 0; height: 2px; z-index: 3; overflow: hidden; opacity: 0;
  transition: opacity .3s; pointer-events: none; }
.progress[data-busy] { opacity: 1; }
.progress i { display: block; width: 100%; height: 100%; background: var(--accent); transform-origin: left; }
.cover { position: absolute; inset: 0; z-index: 4; display: flex; align-items: center; justify-content: center; padding: 20px;
  background: var(--ground); }
.cover[hidden] { display: none; }
.card { max-width: 440px; display: flex; flex-direction: column; gap: 10px; align-items: center; text-align: center;
  color: var(--soft); }
.card strong { color: var(--text); font-size: 16px; font-weight: 600; }
.card button { height: 36px; padding: 0 18px; background: var(--accent); color: #04222f; font-weight: 600; margin-top: 4px; }
.card button:hover { background: #8adaf8; color: #04222f; }
.spinner { width: 30px; height: 30px; border-radius: 50%; border: 2.5px solid var(--line); border-top-color: var(--accent);
  animation: turn .9s linear infinite; }
.cover[data-kind="error"] .spinner, .cover[data-kind="loading"] button { display: none; }
.alert { position: absolute; left: 50%; bottom: 14px; transform: translateX(-50%); z-index: 3; max-width: calc(100% - 28px);
  padding: 8px 14px; border-radius: 9px; background: #3a2a17; border: 1px solid #7a5a2c; color: #ffd9a8; }
.alert:empty { display: none; }
@keyframes turn { to { transform: rotate(1turn); } }
@media (prefers-reduced-motion: reduce) { .spinner { animation-duration: 4s; } * { transition: none !important; } }

.switch button { padding: 0 10px; }
.viewer[data-narrow] .switch { flex: 1; }
.viewer[data-narrow] .switch button { flex: 1; height: 36px; }
.viewer[data-narrow] .switch button[data-layout="planes"] { display: none; }
.viewer[data-narrow] .bar { flex-wrap: wrap; gap: 8px; padding: 8px 10px; }
.viewer[data-narrow] .title { flex: 1 0 100%; order: -1; }
.viewer[data-narrow] .bar .switch { flex: 1 1 auto; }
.viewer[data-narrow] .tools { order: 5; flex: 1 1 auto; justify-content: space-between; }
.viewer[data-narrow] .looks { order: 6; }
.viewer[data-narrow] button { height: 38px; min-width: 38px; }
.viewer[data-narrow] .choice { flex: 1 1 auto; }
.viewer[data-narrow] .choice select { height: 42px; width: 100%; max-width: none; }
.viewer[data-narrow] .status { gap: 14px; }
.viewer[data-narrow] .status .detail { display: none; }
.viewer[data-narrow] .pane input[type="range"] { width: 30px; }
.viewer[data-narrow] .letter[data-edge="right"] { right: 36px; }
`;
