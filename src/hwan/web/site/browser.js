// The engine of the web bundle: ONNX Runtime in a worker of this page. Nothing leaves the machine.
// WebGPU may be missing, fail, or never answer; a worker can be ended whatever it does, so each engine has
// a fresh one, and WebAssembly steps in.

export const local = true;
export const engines = {auto: "the fastest there is", webgpu: "WebGPU", wasm: "WebAssembly"};
const START = 30, MEGAPIXEL = 60; // seconds that WebGPU is waited for: to its first result, and a megapixel
const LEFT = new Error("something else was asked for meanwhile");
const url = (name) => new URL(name, document.baseURI).href;
const fetched = new Map();
let worker, waiting, wanted, using, threads, why, asked = 0, last = Promise.resolve();

/** What there is to translate with: {models, limits}. */
export const open = async () => (await fetch("models.json")).json();

/** Which engine works it out, and why not a faster one. */
export const about = () =>
  `Worked out in this browser (${engines[using]}${threads > 1 ? `, ${threads} threads` : ""}): no picture leaves ` +
  `this machine.${why ? ` WebGPU is not used: ${why}.` : ""}`;

/** Fetch and compile; `progress` is told a share from 0 to 1. Gives up what is under way. */
export function load(model, {engine, progress}) {
  const own = ++asked;
  const go = (name, seconds) => (own === asked ? begin(name, model, seconds) : Promise.reject(LEFT));
  stop(LEFT);
  return queued(async () => {
    let came = 0;
    const {files} = model, total = model.bytes + files.bytes;
    const report = (bytes) => progress(Math.min(1, (came += bytes) / total));
    await Promise.all([bytes(model.file, report), bytes(files.wasm, report)]);
    progress(1);
    wanted = engine;
    why = engine === "auto" ? await lacking() : "";
    if (engine !== "auto") return go(engine);
    if (!why) {
      try {
        return await go("webgpu", START);
      } catch (error) {
        why = reason(error);
      }
    }
    return go("wasm");
  });
}

/** The translation of opaque ImageData, as ImageData. Rejects where memory runs out. */
export const translate = (model, image) => queued(async () => {
  const megapixels = Math.max(1, (image.width * image.height) / 1e6);
  try {
    if (!worker) await begin(using, model);
    return await run(model, image, wanted === "auto" && using === "webgpu" ? Math.round(MEGAPIXEL * megapixels) : 0);
  } catch (error) {
    stop(error); // what ran out of memory is of no more use
    if (wanted !== "auto" || using !== "webgpu") throw error;
    why = reason(error);
    await begin("wasm", model);
    return run(model, image);
  }
});

const facts = ({reads, multiple, least, probe}) => ({channels: reads.channels, multiple, least, probe});
const run = async (model, image, seconds) => (await ask({image, facts: facts(model)}, seconds)).image;

/** What an error says, to stand within a sentence. */
function reason(error) {
  if (error === LEFT) throw error;
  return error.message.split("\n")[0].slice(0, 300).replace(/\.$/, "");
}

/** Why WebGPU is not worth trying; "" where it is. */
async function lacking() {
  if (!navigator.gpu) return "this browser does not offer it, or not to this address";
  const adapter = await within(START, navigator.gpu.requestAdapter()).catch(() => null);
  if (!adapter) return "there is no GPU for it";
  // Slower than WebAssembly, by far.
  return (adapter.info?.isFallbackAdapter ?? adapter.isFallbackAdapter) ? "this machine's GPU is software" : "";
}

/** Start `engine` in a worker of its own. Rejects where it fails, or (`seconds` not 0) takes longer. */
async function begin(engine, model, seconds = 0) {
  stop(LEFT);
  // A worker from a blob is under this page's Content-Security-Policy; one from a file would be under none.
  const source = new Blob([`import ${JSON.stringify(url("worker.js"))};`], {type: "text/javascript"});
  worker = new Worker(URL.createObjectURL(source), {type: "module"});
  worker.onmessage = ({data}) => (data.error ? waiting?.reject(new Error(data.error)) : waiting?.resolve(data));
  worker.onerror = (event) => {
    event.preventDefault();
    stop(new Error(event.message || "the worker did not start"));
  };
  const {file, files} = model;
  [using, threads] = [engine, 1];
  const parts = {model: await bytes(file), wasm: await bytes(files.wasm), script: url(files.script)};
  ({threads} = await ask({load: {...parts, engine, facts: facts(model)}}, seconds));
}

function stop(reason) {
  worker?.terminate();
  worker = undefined;
  waiting?.reject(reason);
}

/** Have the worker do one thing; it is ended if that takes longer than `seconds`, unless 0. */
function ask(what, seconds) {
  const answer = new Promise((resolve, reject) => {
    waiting = {resolve, reject};
    worker.postMessage(what);
  });
  return seconds ? within(seconds, answer) : answer;
}

const within = (seconds, promise) => Promise.race([promise, new Promise((_, reject) =>
  setTimeout(reject, 1000 * seconds, new Error(`it did not finish within ${seconds} seconds`)))]);

/** One after another, whether the one before succeeded or not. */
const queued = (job) => (last = last.then(job, job));

/** A file of the bundle, fetched once; `report` is told of the bytes as they come. */
async function bytes(name, report = () => {}) {
  if (!fetched.has(name)) {
    const response = await fetch(name);
    if (!response.ok) throw new Error(`${name}: ${response.status} ${response.statusText}`);
    const parts = [];
    for (let reader = response.body.getReader(), read; !(read = await reader.read()).done;) {
      parts.push(read.value);
      report(read.value.length);
    }
    fetched.set(name, new Blob(parts));
  }
  return fetched.get(name);
}
