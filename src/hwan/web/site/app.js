// The page: a picture in by file, drop, paste, camera or sample; its translation beside it.
import {compare} from "./compare.js";
import * as engine from "./engine.js";

const $ = (id) => document.getElementById(id);
const SIDES = [256, 512, 1024, 2048, 4096];
let facts, model, picture, ready = Promise.resolve(), turn = 0, choice = 0;
const slide = compare($("stage"), $("slide"));

const say = (text) => { $("status").textContent = text; };
function fail(error) {
  $("error").textContent = error?.message ?? String(error);
  $("error").hidden = false;
  $("work").hidden = true;
  say("");
}
function working(text, share) {
  $("work").hidden = false;
  share === undefined ? $("progress").removeAttribute("value") : ($("progress").value = share);
  say(text);
}
const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;
const usable = ({reads, writes}) =>
  [1, 3].includes(reads.channels) && [1, 3].includes(writes.channels) && writes.depth !== "float" && reads.depth !== "float";

// Loading ---------------------------------------------------------------------------------------
async function begin() {
  say("Loading");
  facts = await engine.open();
  const samples = await (await fetch("samples.json")).json();
  $("token").hidden = true;
  $("model").replaceChildren(...facts.models.map((each) => {
    const option = new Option(each.name + (usable(each) ? "" : " (not for a screen: use the interface)"), each.name);
    option.disabled = !usable(each);
    return option;
  }));
  $("model-label").hidden = facts.models.length < 2;
  $("engine").replaceChildren(...Object.entries(engine.engines).map(([key, name]) => new Option(name, key)));
  $("engine").value = new URLSearchParams(location.search).get("engine") ?? "auto";
  $("engine-label").hidden = !engine.local;
  $("footer").textContent = (engine.local ? "This page asks nothing of any other server. " : "") + samples.credit;
  if (!engine.local) {
    const link = Object.assign(document.createElement("a"), {href: "openapi.json", textContent: "openapi.json"});
    $("footer").append(" The interface for programs: ", link, ".");
  }
  $("samples").replaceChildren(...samples.pictures.map(sampleButton));
  $("try").hidden = !samples.pictures.length;
  const first = facts.models.find(usable);
  if (!first) throw new Error("No model here reads and writes pictures that a screen shows: use the interface, /openapi.json.");
  $("model").value = first.name;
  await choose();
}

function sampleButton(sample) {
  const item = document.createElement("li"), button = document.createElement("button");
  const image = new Image();
  image.src = sample.file;
  image.alt = `Translate the sample ${sample.name}`;
  button.type = "button";
  button.append(image);
  button.addEventListener("click", guarded(async () => take(await (await fetch(sample.file)).blob(), sample.name)));
  item.append(button);
  return item;
}

async function choose() {
  model = facts.models.find(({name}) => name === $("model").value);
  $("title").textContent = `Translate a picture: ${model.name}`;
  document.title = `${model.name} · hwan`;
  const total = model.bytes + (model.files?.bytes ?? 0);
  const progress = (share) =>
    share < 1 ? working(`Loading ${megabytes(share * total)} of ${megabytes(total)}`, share) : working("Starting");
  $("error").hidden = true;
  working("Loading", 0);
  const own = ++choice;
  turn++; // a translation under way is given up
  ready = engine.load(model, {engine: $("engine").value, progress});
  ready.catch(() => {}); // told where it is awaited
  await ready.catch((error) => { if (own === choice) throw error; });
  if (own !== choice) return;
  $("where").textContent = engine.about();
  $("work").hidden = true;
  if (picture) return show();
  say("Ready.");
}

// A picture in ----------------------------------------------------------------------------------
async function take(blob, name = "picture") {
  $("error").hidden = true;
  working("Reading the picture");
  let bitmap;
  try {
    bitmap = await createImageBitmap(blob);
  } catch {
    throw new Error(`${name} is not a picture that this browser reads.`);
  }
  picture = {bitmap, name: name.replace(/\.[^.]*$/, "")};
  sizes();
  await show();
}

/** Offer the sides that make sense for this picture; the first choice is one that surely works. */
function sizes() {
  const {width, height} = picture.bitmap, longest = Math.max(width, height);
  const most = facts.limits.pixels, fits = (side) => (width * height * side * side) / longest / longest <= most;
  const sides = SIDES.filter((side) => side < longest && (engine.local || fits(side)));
  const whole = engine.local || fits(longest);
  $("size").replaceChildren(
    ...sides.map((side) => new Option(`${side} pixels`, side)),
    ...(whole ? [new Option(`as it is: ${width} × ${height}`, longest)] : []),
  );
  const good = [...sides, ...(whole ? [longest] : [])].filter(fits);
  $("size").value = good.at(-1) ?? sides[0];
  $("size").disabled = $("size").length < 2;
}

/** The picture at the chosen size, over white where it is transparent. */
function drawn() {
  const {bitmap} = picture, share = Math.min(1, $("size").value / Math.max(bitmap.width, bitmap.height));
  const canvas = $("before");
  canvas.width = Math.max(1, Math.round(bitmap.width * share));
  canvas.height = Math.max(1, Math.round(bitmap.height * share));
  const context = canvas.getContext("2d", {willReadFrequently: true});
  context.fillStyle = "#fff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  return context.getImageData(0, 0, canvas.width, canvas.height);
}

async function show() {
  const own = ++turn;
  await ready.catch((error) => { if (own === turn) throw error; });
  if (own !== turn) return; // another picture came meanwhile, or another engine
  const image = drawn();
  const {width, height} = image;
  $("error").hidden = true;
  working(`Translating ${width} × ${height}`);
  $("stage").setAttribute("aria-busy", "true");
  if ($("result").getBoundingClientRect().top > innerHeight / 2) $("result").scrollIntoView(); // on a phone it is below
  const began = performance.now();
  let result;
  try {
    result = await engine.translate(model, image);
  } catch (error) {
    if (own !== turn) return;
    if (!engine.local) throw error;
    throw new Error(`It did not work at ${width} × ${height} (${error.message}). Take a smaller size.`);
  } finally {
    $("stage").removeAttribute("aria-busy");
  }
  if (own !== turn) return;
  $("where").textContent = engine.about(); // it may have changed engines
  const canvas = $("after");
  Object.assign(canvas, {width, height});
  canvas.getContext("2d").putImageData(result, 0, 0);
  frame(width, height);
  $("empty").hidden = true;
  $("shown").hidden = false;
  $("work").hidden = true;
  slide(50);
  await offer(canvas);
  $("caption").textContent = `${picture.name}, ${width} × ${height}`;
  say(`Translated ${width} × ${height} in ${((performance.now() - began) / 1000).toFixed(1)} s.`);
}

/** As large as the page has room for; small pictures are enlarged, their pixels plain to see. */
function frame(width, height) {
  const most = Math.min(innerHeight * 0.75, 900);
  const wide = Math.max(width, Math.min(720, width * 4));
  $("stage").style.width = `${Math.min(wide, (most * width) / height)}px`;
  $("stage").style.aspectRatio = `${width} / ${height}`;
  for (const id of ["before", "after"]) $(id).classList.toggle("crisp", width < 128);
}

async function offer(canvas) {
  const blob = await new Promise((resolve) => canvas.toBlob(resolve));
  URL.revokeObjectURL($("download").href);
  $("download").href = URL.createObjectURL(blob);
  $("download").download = `${picture.name}-translated.png`;
}

// What a person does ----------------------------------------------------------------------------
const guarded = (action) => async (...given) => {
  try {
    await action(...given);
  } catch (error) {
    if (!engine.NeedsToken || !(error instanceof engine.NeedsToken)) return fail(error);
    $("token").hidden = false;
    $("secret").focus();
    say("");
  }
};
const files = guarded(async (list) => {
  const file = [...list].find(({type}) => type.startsWith("image/")) ?? list[0];
  if (file) await take(file, file.name);
});
$("file").addEventListener("change", ({target}) => { files(target.files); target.value = ""; });
for (const name of ["dragover", "dragleave", "drop"]) {
  addEventListener(name, (event) => {
    event.preventDefault();
    $("drop").classList.toggle("over", name === "dragover");
    if (name === "drop") files(event.dataTransfer.files);
  });
}
addEventListener("paste", (event) => { if (event.clipboardData.files.length) files(event.clipboardData.files); });
$("paste").addEventListener("click", guarded(async () => {
  if (!navigator.clipboard?.read) throw new Error("This browser pastes with Ctrl-V (or ⌘V) only: press it now.");
  const items = await navigator.clipboard.read().catch(() => { throw new Error("The browser did not let this page read the clipboard: press Ctrl-V (or ⌘V)."); });
  for (const item of items) {
    const type = item.types.find((each) => each.startsWith("image/"));
    if (type) return take(await item.getType(type), "pasted");
  }
  throw new Error("There is no picture on the clipboard.");
}));
$("model").addEventListener("change", guarded(choose));
$("engine").addEventListener("change", guarded(choose));
$("size").addEventListener("change", guarded(show));
$("token").addEventListener("submit", guarded(async (event) => {
  event.preventDefault();
  engine.use($("secret").value);
  await begin();
}));

// Camera ----------------------------------------------------------------------------------------
const off = () => { for (const track of $("video").srcObject?.getTracks() ?? []) track.stop(); $("video").srcObject = null; };
$("camera").addEventListener("click", guarded(async () => {
  if (!navigator.mediaDevices) throw new Error("Browsers give the camera to pages of https and of this machine only.");
  try {
    $("video").srcObject = await navigator.mediaDevices.getUserMedia({video: {facingMode: "environment"}});
  } catch (error) {
    throw new Error(`No camera: ${error.message || error.name}.`);
  }
  $("shoot").showModal();
  await $("video").play();
}));
$("take").addEventListener("click", guarded(async () => {
  const frame = await createImageBitmap($("video"));
  $("shoot").close();
  picture = {bitmap: frame, name: "camera"};
  sizes();
  await show();
}));
$("close").addEventListener("click", () => $("shoot").close());
$("shoot").addEventListener("close", off);

guarded(begin)();
