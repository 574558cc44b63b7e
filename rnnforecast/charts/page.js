"use strict";
// The page: unpack the chart script and the numbers, draw each chart when it comes into view, and run the picker.
(async () => {
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const setTheme = (name) => { root.dataset.theme = name; };
  setTheme(dark.matches ? "dark" : "light");

  async function unpack(id) {
    const text = document.getElementById(id).textContent;
    const bytes = Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(stream).text();
  }

  const [script, text] = await Promise.all([unpack("chart-script"), unpack("numbers")]);
  const element = document.createElement("script");
  element.textContent = script;
  document.head.append(element);
  const { charts, palette, config, panel } = JSON.parse(text);
  const views = new Map(); // figure -> view
  const PRINTED = 640; // pixels: the width of a chart on paper
  let isPrinting = false;
  const isDark = () => root.dataset.theme === "dark";

  function themed(value) {
    if (typeof value === "string") return palette[value] ? palette[value][isDark() ? 1 : 0] : value;
    if (Array.isArray(value)) return value.map(themed);
    if (value && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, key === "values" ? item : themed(item)]));
    }
    return value;
  }

  function sized(chart, place, domain) {
    const spec = { ...chart.spec, width: isPrinting ? PRINTED : "container", height: chart.height, autosize: { type: "fit", contains: "padding" } };
    const room = isPrinting ? PRINTED : place.clientWidth;
    const colour = [spec, ...spec.layer].map((part) => part.encoding && part.encoding.color).find((each) => each && each.scale);
    const names = (colour && colour.legend && colour.scale.domain) || [];
    const widths = names.map((name) => 38 + 6.2 * name.length); // of the keys of the legend, in pixels
    spec.config = room < 520 ? { axisX: { tickCount: 4 } } : {};
    if (widths.reduce((sum, each) => sum + each, 0) > room - 70) { // the axis takes some
      spec.config.legend = { columns: Math.max(1, Math.floor((room - 70) / Math.max(...widths))) };
    }
    if (chart.zoom) {
      const zoom = { name: "zoom", bind: "scales",
        select: { type: "interval", encodings: ["x"], zoom: "wheel![event.ctrlKey || event.metaKey]" } };
      spec.layer = spec.layer.map((layer, place) => (place ? layer : { ...layer, params: [zoom, ...(layer.params || [])] }));
      if (domain) {
        const x = spec.encoding.x;
        spec.encoding = { ...spec.encoding, x: { ...x, scale: { ...x.scale, domain } } };
      }
    }
    spec.config = { ...config, ...spec.config };
    for (const key of Object.keys(config)) {
      if (spec.config[key] !== config[key]) spec.config[key] = { ...config[key], ...spec.config[key] };
    }
    return themed(spec);
  }

  async function draw(figure) {
    const chart = figure.chart || charts[figure.dataset.chart];
    const place = figure.querySelector(".chart");
    if (!chart || !place) return;
    figure.drawn = true;
    try {
      const options = { actions: false, renderer: "svg", ast: true, defaultStyle: false, mode: "vega-lite", logLevel: 1,
        tooltip: { disableDefaultStyle: true, theme: "page" } };
      const before = views.get(figure);
      const result = await window.vegaEmbed(place, sized(chart, place, figure.domain), options);
      if (before) before.finalize();
      views.set(figure, result);
    } catch (error) {
      place.textContent = "This chart could not be drawn; its numbers are below.";
      place.classList.add("failed");
      console.error(error);
    }
  }

  const figures = [...document.querySelectorAll("figure[data-chart]")];
  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries) if (entry.isIntersecting && !entry.target.drawn) draw(entry.target);
  }, { rootMargin: "300px" });
  figures.forEach((figure) => seen.observe(figure));
  const redraw = () => Promise.all(figures.filter((figure) => figure.drawn).map(draw));

  document.getElementById("theme").addEventListener("click", () => { setTheme(isDark() ? "light" : "dark"); redraw(); });
  dark.addEventListener("change", () => { setTheme(dark.matches ? "dark" : "light"); redraw(); });
  let width = innerWidth, timer;
  addEventListener("resize", () => {
    if (innerWidth === width) return;
    width = innerWidth;
    clearTimeout(timer);
    timer = setTimeout(redraw, 150);
  });
  let before;
  addEventListener("beforeprint", () => { before = root.dataset.theme; isPrinting = true; setTheme("light"); figures.forEach(draw); });
  addEventListener("afterprint", () => { isPrinting = false; setTheme(before); redraw(); });

  // Zoom by buttons, for the keyboard and for fingers; dragging moves, Ctrl and the wheel zoom.
  function zoom(figure, action) {
    const chart = figure.chart || charts[figure.dataset.chart];
    const rows = chart.spec.data.values;
    const first = rows[0].t, last = rows[rows.length - 1].t;
    let [low, high] = figure.domain || [first, last];
    const span = high - low;
    if (action === "in") low += span / 2;
    if (action === "out") low -= span;
    if (action === "earlier") { low -= span / 2; high -= span / 2; }
    if (action === "later") { low += span / 2; high += span / 2; }
    if (high > last) { low -= high - last; high = last; }
    if (low < first) { high = Math.min(last, high + first - low); low = first; }
    figure.domain = action === "all" || high <= low ? null : [low, high];
    draw(figure);
  }
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-zoom]");
    if (button) zoom(button.closest("figure"), button.dataset.zoom);
  });

  // The picker: search, order, arrows.
  const picker = document.getElementById("picker");
  if (panel && picker) {
    const figure = picker.querySelector("figure");
    const list = picker.querySelector(".list");
    const search = picker.querySelector("input");
    const order = picker.querySelector("select");
    const count = picker.querySelector(".count");
    const number = new Intl.NumberFormat("en", { maximumSignificantDigits: 4 });
    const shown = 200;
    let chosen = panel.start, found = [];

    const decode = (one, numbers) => (one.scale
      ? numbers.map((value) => (value === null ? null : one.scale[0] + value * one.scale[1])) : numbers);

    function rowsOf(one) {
      const rows = [], history = decode(one, one.history), future = panel.horizon;
      history.forEach((value, step) => rows.push({ t: panel.times[one.at + step], actual: value }));
      const last = rows[rows.length - 1];
      const fields = ["forecast", ...Object.keys(panel.ends)];
      const arrays = fields.map((name) => decode(one, one[name] || []));
      if (last && last.actual !== null) fields.forEach((name, place) => { if (arrays[place].length) last[name] = last.actual; });
      for (let step = 0; step < future; step += 1) {
        const row = { t: panel.times[one.at + history.length + step] };
        fields.forEach((name, place) => { if (arrays[place].length) row[name] = arrays[place][step]; });
        rows.push(row);
      }
      return rows;
    }

    function words(one, rows) {
      const steps = rows.filter((row) => row.forecast !== undefined && row.forecast !== null);
      const last = steps[steps.length - 1], first = steps[1] || steps[0];
      if (!last) return `${one.name}: no forecast.`;
      let line = `${panel.target}: forecast from ${number.format(first.forecast)} to ${number.format(last.forecast)}`;
      for (const [low, high, name] of panel.pairs) {
        if (last[low] !== undefined) line += `; ${name} at the end from ${number.format(last[low])} to ${number.format(last[high])}`;
      }
      if (panel.pairs.length && !Object.keys(panel.ends).some((name) => one[name])) line += "; a sum has no intervals here: choose a series";
      return `${line}.${one.mase === null || one.mase === undefined ? "" : ` MASE on past windows ${number.format(one.mase)}.`}`;
    }

    function show(place) {
      chosen = place;
      const one = panel.series[place];
      const rows = rowsOf(one);
      const cut = rows[Math.max(one.history.length - 1, 0)];
      const template = JSON.parse(JSON.stringify(panel.template));
      template.spec.data = { values: rows };
      template.spec.layer.forEach((layer) => {
        if (layer.data && cut) layer.data.values.forEach((item) => { item.t = cut.t; });
      });
      if (one.forecast && !panel.pairs.some(([low]) => one[low])) { // a sum: no intervals, and no keys of them
        const colour = template.spec.encoding.color;
        for (const part of ["domain", "range"]) colour.scale[part] = colour.scale[part].slice(0, 2);
        colour.legend.symbolType = "stroke";
        template.spec.layer = template.spec.layer.slice(panel.pairs.length);
      }
      figure.chart = template;
      figure.domain = null;
      figure.querySelector("h3").textContent = one.name;
      figure.querySelector("figcaption p").textContent = words(one, rows);
      template.spec.description = `${one.name}. ${words(one, rows)}`;
      const body = figure.querySelector("tbody");
      body.replaceChildren(...rows.slice(-panel.horizon).map((row) => {
        const line = document.createElement("tr");
        const cells = [panel.labels ? new Date(row.t).toISOString().slice(0, panel.labels).replace("T", " ") : row.t,
          row.forecast, ...Object.keys(panel.ends).map((name) => row[name])];
        cells.forEach((cell, column) => {
          const item = document.createElement("td");
          if (column) item.className = "n";
          item.textContent = column ? (cell === null || cell === undefined ? "–" : number.format(cell)) : String(cell);
          line.append(item);
        });
        return line;
      }));
      list.querySelectorAll("li").forEach((item) => item.setAttribute("aria-selected", String(Number(item.dataset.place) === chosen)));
      draw(figure);
    }

    function fill() {
      const wanted = search.value.trim().toLowerCase();
      const places = panel.series.map((_, place) => place)
        .filter((place) => !wanted || panel.series[place].name.toLowerCase().includes(wanted));
      const by = { largest: (one) => -one.size, worst: (one) => -(one.mase ?? -1), best: (one) => one.mase ?? 1e300 }[order.value];
      if (by) places.sort((left, right) => by(panel.series[left]) - by(panel.series[right]));
      if (order.value === "name") places.sort((left, right) => panel.series[left].name.localeCompare(panel.series[right].name));
      found = places;
      list.replaceChildren(...places.slice(0, shown).map((place) => {
        const one = panel.series[place], item = document.createElement("li");
        item.setAttribute("role", "option");
        item.id = `series-${place}`;
        item.dataset.place = place;
        item.setAttribute("aria-selected", String(place === chosen));
        const name = document.createElement("span"), figureText = document.createElement("span");
        name.textContent = one.name;
        name.title = one.name;
        figureText.textContent = ["worst", "best"].includes(order.value)
          ? (one.mase === null || one.mase === undefined ? "–" : number.format(one.mase)) : number.format(one.size);
        item.append(name, figureText);
        return item;
      }));
      const many = places.filter((place) => !panel.series[place].sum).length.toLocaleString("en");
      count.textContent = places.length > shown ? `${shown} of ${many} series: search to find the others` : `${many} series`;
      count.textContent += ["worst", "best"].includes(order.value) ? ", each with its MASE" : ", each with the mean of its values";
    }

    function move(by) {
      const at = found.indexOf(chosen);
      const next = found[Math.min(Math.max(at + by, 0), Math.min(found.length, shown) - 1)];
      if (next === undefined) return;
      show(next);
      const item = document.getElementById(`series-${next}`);
      if (item) item.scrollIntoView({ block: "nearest" });
      list.setAttribute("aria-activedescendant", `series-${next}`);
    }

    search.addEventListener("input", fill);
    order.addEventListener("change", () => { fill(); if (found.length) show(found[0]); });
    list.addEventListener("click", (event) => {
      const item = event.target.closest("li");
      if (item) show(Number(item.dataset.place));
    });
    for (const part of [search, list]) {
      part.addEventListener("keydown", (event) => {
        const by = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10 }[event.key];
        if (by) { event.preventDefault(); move(by); }
        if (event.key === "Enter" && found.length) show(found.includes(chosen) ? chosen : found[0]);
      });
    }
    fill();
    seen.unobserve(figure);
    show(chosen);
  }
  root.dataset.ready = "yes";
})();
