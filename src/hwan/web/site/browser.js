// The engine of the web bundle: ONNX Runtime in a worker of this page. Nothing leaves the machine.

export const local = true;
export const engines = {auto: "the fastest there is", webgpu: "WebGPU", wasm: "WebAssembly"};
const json = async (name) => (await fetch(name)).json();
const url = (name) => new URL(name, document.baseURI).href;
let worker, waiting = new Map(), count = 0;

/** What there is to translate with: {models, limits}. */
export const open = () => json("models.json");

// A worker from a blob is under this page's Content-Security-Policy; one from a file would be under none.
function start() {
  const source = `import ${JSON.stringify(url("worker.js"))};`;
  const blob = URL.createObjectURL(new Blob([source], {type: "text/javascript"}));
  worker = new Worker(blob, {type: "module"});
  worker.onmessage = ({data}) => {
    const call = waiting.get(data.id);
    if (data.progress !== undefined) return call?.progress(data.progress);
    waiting.delete(data.id);
    data.error ? call?.reject(new Error(data.error)) : call?.resolve(data);
  };
  worker.onerror = (event) => {
    event.preventDefault();
    stop(event.message || "the worker did not start");
  };
}

function stop(reason) {
  worker?.terminate();
  worker = undefined;
  for (const call of waiting.values()) call.reject(new Error(reason));
  waiting.clear();
}

const ask = (what, progress, transfer = []) => new Promise((resolve, reject) => {
  if (!worker) start();
  waiting.set(++count, {resolve, reject, progress});
  worker.postMessage({...what, id: count}, transfer);
});

const facts = ({reads, multiple, least}) => ({channels: reads.channels, multiple, least});

/** Fetch and compile; `progress` is told a share from 0 to 1. Resolves to the name of what works it out. */
export async function load(model, {engine, progress}) {
  const {files} = model;
  const got = await ask({
    load: {model: url(model.file), size: model.bytes, engine, facts: facts(model),
      script: url(files.script), wasm: url(files.wasm), wasmSize: files.bytes},
  }, progress);
  return `${engines[got.engine]}${got.threads > 1 ? `, ${got.threads} threads` : ""}`;
}

/** The translation of opaque ImageData, as ImageData. Rejects where memory runs out. */
export async function translate(model, image) {
  const {image: result} = await ask({image, facts: facts(model)});
  return result;
}
