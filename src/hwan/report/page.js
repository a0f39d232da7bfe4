document.documentElement.classList.add("js");
addEventListener("DOMContentLoaded", () => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const short = (value) => Number(value.toPrecision(4)).toLocaleString("en", {maximumSignificantDigits: 4});
  all("[hidden][data-js]").forEach((element) => { element.hidden = false; });

  for (const section of all(".frames")) {
    const frames = all("figure", section), range = section.querySelector("input");
    const name = section.querySelector("output"), play = section.querySelector("button");
    let timer = 0;
    const show = () => {
      frames.forEach((frame, i) => frame.classList.toggle("on", i === range.valueAsNumber));
      name.value = frames[range.valueAsNumber].dataset.name;
      range.setAttribute("aria-valuetext", name.value);
    };
    const stop = () => { clearInterval(timer); timer = 0; play.textContent = "Play"; };
    const next = () => {
      range.valueAsNumber += 1;
      show();
      if (range.value === range.max) stop();
    };
    range.addEventListener("input", () => { stop(); show(); });
    play.addEventListener("click", () => {
      if (timer) return stop();
      if (range.value === range.max) { range.value = 0; show(); }
      play.textContent = "Pause";
      timer = setInterval(next, 600);
    });
    show();
  }

  for (const section of all(".compare")) {
    const sliders = all("input[type=range]", section).map((range) => compare(range.parentElement, range));
    for (const button of all("[data-at]", section)) {
      button.addEventListener("click", () => sliders.forEach((set) => set(button.dataset.at)));
    }
  }

  for (const section of all(".compare")) {
    const grid = section.querySelector(".grid"), sort = section.querySelector(".sort"), find = section.querySelector(".find");
    if (!sort) continue;
    const figures = all("figure", grid), more = section.querySelector(".more");
    const arrange = () => {
      const [index, sign] = sort.value.split(" ").map(Number), words = find.value.toLowerCase();
      const value = (figure) => JSON.parse(figure.dataset.figures)[index] ?? NaN;
      const order = [...figures];
      if (sort.value) order.sort((a, b) => {
        const [x, y] = [value(a), value(b)];
        return Number.isNaN(x) - Number.isNaN(y) || sign * (x - y) || 0;
      });
      grid.append(...order);
      figures.forEach((figure) => { figure.hidden = !figure.dataset.name.toLowerCase().includes(words); });
      if (words) grid.classList.add("all");
      else if (more && more.isConnected) grid.classList.remove("all");
    };
    sort.addEventListener("change", arrange);
    find.addEventListener("input", arrange);
  }

  for (const button of all(".more")) {
    button.addEventListener("click", () => {
      button.previousElementSibling.classList.add("all");
      button.remove();
    });
  }

  for (const plot of all(".plot")) {
    const table = plot.closest(".chart").nextElementSibling;
    const cursor = plot.querySelector(".cursor"), [low, high] = JSON.parse(plot.dataset.range);
    const rows = all("tbody tr", table).map((row) => [row.lastElementChild, JSON.parse(row.dataset.points)]);
    const head = table.querySelector("thead th:last-child");
    plot.addEventListener("pointermove", (event) => {
      const box = plot.getBoundingClientRect();
      const part = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
      const x = low + part * (high - low);
      cursor.hidden = false;
      cursor.style.left = 100 * part + "%";
      head.textContent = "At " + short(x);
      for (const [cell, points] of rows) {
        const near = points.reduce((a, b) => (Math.abs(b[0] - x) < Math.abs(a[0] - x) ? b : a), [Infinity, NaN]);
        cell.textContent = Number.isNaN(near[1]) ? "" : short(near[1]);
      }
    });
    plot.addEventListener("pointerleave", () => {
      cursor.hidden = true;
      head.textContent = "At pointer";
      rows.forEach(([cell]) => { cell.textContent = ""; });
    });
  }
});
