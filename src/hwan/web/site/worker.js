// Runs ONNX Runtime off the page's own thread, so that the page answers meanwhile: one engine, one thing at a time.
import {toImage, toTensor} from "./pixels.js";

let ort, session, broken;

/** Compressed files are unpacked here, so that the folder is small on any static server; one that has unpacked
    them already does no harm. */
async function unpacked(blob) {
  const head = new Uint8Array(await blob.slice(0, 2).arrayBuffer());
  if (head[0] !== 0x1f || head[1] !== 0x8b) return blob.arrayBuffer();
  return new Response(blob.stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
}

async function load({model, wasm, script, engine, facts}) {
  ort = await import(script);
  ort.env.wasm.wasmBinary = await unpacked(wasm);
  ort.env.logLevel = "error";
  // Threads share memory, which browsers allow only on servers that isolate the page (COOP and COEP).
  const threads = self.crossOriginIsolated ? Math.min(8, navigator.hardwareConcurrency) : 1;
  ort.env.wasm.numThreads = threads;
  session = await ort.InferenceSession.create(await model.arrayBuffer(), {executionProviders: [engine]});
  if (engine === "webgpu") {
    // What a lost GPU has not answered is read as if it had: garbage, and no error.
    ort.env.webgpu.device.lost.then(({message, reason}) => { broken = `the GPU was lost (${message || reason})`; });
    ort.env.webgpu.device.addEventListener("uncapturederror", ({error}) => { broken = error.message; });
  }
  await check(facts);
  return {threads: engine === "wasm" ? threads : 1};
}

/** The first run, in which a GPU's shaders are made and its faults come out: as hwan.web.bundle has it of PyTorch? */
async function check({channels, least, probe}) {
  const values = Float32Array.from({length: channels * least * least}, (_, i) => ((37 * i) % 251) / 125 - 1);
  const got = (await run(values, [1, channels, least, least])).values;
  const right = probe.every((value, n) => Math.abs(got[Math.floor((n * got.length) / probe.length)] - value) < 0.02);
  if (!right) throw new Error("its first result was wrong");
}

async function run(values, dims) {
  try {
    const {translation} = await session.run({image: new ort.Tensor("float32", values, dims)});
    return {values: await translation.getData(), dims: translation.dims};
  } finally {
    await new Promise((resolve) => setTimeout(resolve)); // a loss is told after what it spoiled
    if (broken) throw new Error(broken);
  }
}

async function translate(image, facts) {
  const {values, dims} = toTensor(image, facts);
  const made = await run(values, dims);
  return {image: toImage(made.values, made.dims, image.width, image.height)};
}

self.onmessage = async ({data}) => {
  try {
    postMessage(data.load ? await load(data.load) : await translate(data.image, data.facts));
  } catch (error) {
    postMessage({error: error?.message ?? `it broke off (${error})`}); // compiled code throws numbers
  }
};
