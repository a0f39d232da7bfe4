// The slider between before and after: by pointer anywhere on the picture, by keys on the range.

/** Make `stage` (which holds `range`) follow; returns a function that sets the share of before, 0 to 100. */
export function compare(stage, range) {
  const set = (value) => {
    range.value = value;
    stage.style.setProperty("--at", `${range.value}%`);
    range.setAttribute("aria-valuetext", `${range.value}% before, ${100 - range.value}% after`);
  };
  const follow = (event) => {
    const box = stage.getBoundingClientRect();
    set(Math.round((100 * (event.clientX - box.left)) / box.width));
  };
  range.addEventListener("input", () => set(range.value));
  stage.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    stage.setPointerCapture(event.pointerId);
    range.focus({preventScroll: true});
    follow(event);
  });
  stage.addEventListener("pointermove", (event) => { if (event.buttons) follow(event); });
  set(50);
  return set;
}
