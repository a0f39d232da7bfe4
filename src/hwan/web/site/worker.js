// Runs ONNX Runtime off the page's own thread, so that the page answers meanwhile.
import {toImage, toTensor} from "./pixels.js";

let ort, session;

/** Fetch bytes, telling `progress` how many came. Compressed ones are unpacked here, so that the folder
    is small on any static server; one that has unpacked them already does no harm. */
async function fetched(address, progress) {
  const response = await fetch(address);
  if (!response.ok) throw new Error(`${address}: ${response.status} ${response.statusText}`);
  const parts = [];
  for (let reader = response.body.getReader(), read; !(read = await reader.read()).done;) {
    parts.push(read.value);
    progress(read.value.length);
  }
  const blob = new Blob(parts), head = new Uint8Array(await blob.slice(0, 2).arrayBuffer());
  if (head[0] !== 0x1f || head[1] !== 0x8b) return blob.arrayBuffer();
  return new Response(blob.stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
}

/** Whether a real GPU is here; a software one is slower than WebAssembly. */
async function hasGpu() {
  const adapter = await navigator.gpu?.requestAdapter().catch(() => null);
  return Boolean(adapter) && !adapter.info?.isFallbackAdapter;
}

async function load({model, size, engine, script, wasm, wasmSize, facts}, progress) {
  let came = 0;
  const report = (n) => progress(Math.min(1, (came += n) / (size + (ort ? 0 : wasmSize))));
  const [bytes] = await Promise.all([fetched(model, report), ort ?? start(script, wasm, report)]);
  await session?.release();
  session = undefined;
  const wanted = engine === "auto" ? ((await hasGpu()) ? ["webgpu", "wasm"] : ["wasm"]) : [engine];
  for (const name of wanted) {
    try {
      session = await ort.InferenceSession.create(bytes, {executionProviders: [name]});
      // A GPU's shaders are made, and its faults come out, in the first run: here the next can step in.
      const side = Math.max(facts.multiple, facts.least), dims = [1, facts.channels, side, side];
      await run(new Float32Array(facts.channels * side * side), dims);
      return {engine: name, threads: name === "wasm" ? ort.env.wasm.numThreads : 1};
    } catch (error) {
      if (name === wanted.at(-1)) throw error;
    }
  }
}

async function start(script, wasm, report) {
  const [module, binary] = await Promise.all([import(script), fetched(wasm, report)]);
  module.env.wasm.wasmBinary = binary;
  module.env.logLevel = "error";
  // Threads share memory, which browsers allow only on servers that isolate the page (COOP and COEP).
  module.env.wasm.numThreads = self.crossOriginIsolated ? Math.min(8, navigator.hardwareConcurrency) : 1;
  ort = module;
}

const run = async (values, dims) =>
  (await session.run({image: new ort.Tensor("float32", values, dims)})).translation;

async function translate(image, facts) {
  const {values, dims} = toTensor(image, facts);
  const translation = await run(values, dims);
  return {image: toImage(await translation.getData(), translation.dims, image.width, image.height)};
}

let last = Promise.resolve(); // one thing at a time
self.onmessage = ({data}) => {
  const progress = (share) => postMessage({id: data.id, progress: share});
  last = last.then(async () => {
    try {
      const got = data.load ? await load(data.load, progress) : await translate(data.image, data.facts);
      postMessage({id: data.id, ...got});
    } catch (error) {
      postMessage({id: data.id, error: String(error?.message ?? error)});
    }
  });
};
