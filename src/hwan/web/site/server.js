// The engine of the server's page: its own interface, /v1.

export const local = false;
export const engines = {};
export class NeedsToken extends Error {}
let worker, token = sessionStorage.getItem("token") ?? "";

/** Send this token from now on; kept until the tab closes. */
export function use(secret) {
  token = secret;
  sessionStorage.setItem("token", secret);
}

async function call(address, options = {}) {
  const headers = {...options.headers, ...(token && {Authorization: `Bearer ${token}`})};
  const response = await fetch(address, {...options, headers}).catch(() => {
    throw new Error("the server does not answer");
  });
  if (response.ok) return response;
  if (response.status === 401) throw new NeedsToken("the server wants its token");
  const {error} = await response.json().catch(() => ({}));
  throw new Error(error ? `expected ${error.expected}, received ${error.received}: ${error.fix}` : `status ${response.status}`);
}

/** What there is to translate with: {models, limits}. */
export const open = async () => (await call("v1/models")).json();

/** The server has loaded it. */
export const load = async (model) => { worker = model.engine; };

/** Which engine works it out. */
export const about = () => `Worked out by this server (${worker}): a picture is sent there, and is not kept.`;

/** The translation of opaque ImageData, as ImageData. */
export async function translate(model, image) {
  const canvas = new OffscreenCanvas(image.width, image.height);
  const context = canvas.getContext("2d", {willReadFrequently: true});
  context.putImageData(image, 0, 0);
  const response = await call(`v1/translate?format=png&model=${encodeURIComponent(model.name)}`, {
    method: "POST", headers: {"Content-Type": "image/png"}, body: await canvas.convertToBlob(),
  });
  const bitmap = await createImageBitmap(await response.blob());
  context.drawImage(bitmap, 0, 0);
  return context.getImageData(0, 0, image.width, image.height);
}
