/** Stands in for zarrita's own decoders, which the bundle leaves out. */
export default {
  fromConfig(): never {
    throw new Error("The volume is compressed in a way that the viewer does not read. Write it with Blosc (zstd or lz4), zstd or gzip.");
  },
};
