// @ts-check
// The viewer's page: prepares the volume, shows how far that is, then hands over to the viewer.

const POLL_MS = 250;

const place = /** @type {HTMLElement} */ (document.getElementById("viewer"));
const waiting = /** @type {HTMLElement} */ (document.getElementById("waiting"));
const stage = /** @type {HTMLElement} */ (document.getElementById("stage"));
const bar = /** @type {HTMLProgressElement} */ (document.getElementById("progress"));
const root = String(place.dataset["volume"]);

/**
 * @param {string} path
 * @param {RequestInit} [options]
 * @returns {Promise<any>}
 */
async function ask(path, options) {
  const response = await fetch(root + path, options);
  const said = await response.json();
  if (!response.ok) throw new Error(said.detail);
  return said;
}

async function prepared() {
  for (let told = await ask("/store", { method: "POST" }); told.stage !== "ready"; told = await ask("/store")) {
    if (told.stage === "failed") throw new Error(told.reason);
    stage.textContent = "Preparing the volume for viewing; this is done once";
    if (told.total > 0) {
      bar.max = told.total;
      bar.value = told.done;
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

try {
  const [{ mount }, scene] = await Promise.all([import(String(place.dataset["module"])), ask("/scene"), prepared()]);
  waiting.hidden = true;
  // For scripts and tests: the handle stands on its element.
  Object.assign(place, { viewer: mount(place, { scene }) });
} catch (reason) {
  stage.textContent = reason instanceof Error ? reason.message : String(reason);
  stage.className = "bad";
  bar.hidden = true;
}
