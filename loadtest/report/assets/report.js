// Draws the charts of a report. uPlot is in the same script.
(() => {
  "use strict";
  const { charts, phases, end } = JSON.parse(document.getElementById("data").textContent);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  const font = "12px system-ui, sans-serif";

  // Three digits, in the greatest unit that leaves at least 1; as in units.go.
  const digits = (v) => Math.abs(v) >= 1000 ? Math.round(v).toLocaleString("en-US") : String(Number(v.toPrecision(3)));
  const scaled = (v, steps) => {
    v = Number(v.toPrecision(3));
    const [size, name] = steps.findLast(([size]) => Math.abs(v) >= size) ?? steps[0];
    return digits(v / size) + name;
  };
  const steps = {
    count: [[1, ""], [1e3, " k"], [1e6, " M"], [1e9, " G"]],
    rate: [[1, "/s"], [1e3, " k/s"], [1e6, " M/s"]],
    ms: [[1e-3, " µs"], [1, " ms"], [1e3, " s"]],
    bytes: [[1, " B"], [1e3, " KB"], [1e6, " MB"], [1e9, " GB"]],
    seconds: [[1, " s"], [60, " min"], [3600, " h"]],
  };
  const show = {
    count: (v) => Math.round(v).toLocaleString("en-US"),
    rate: (v) => Math.abs(v) < 1e4 ? `${digits(v)}/s` : scaled(v, steps.rate),
    ms: (v) => v === 0 ? "0 ms" : scaled(v, steps.ms),
    bytes: (v) => scaled(v, steps.bytes),
    cores: digits,
    seconds: (v) => {
      const two = (n) => String(Math.floor(n)).padStart(2, "0");
      return v < 120 ? `${digits(v)} s` : `${v < 7200 ? "" : `${Math.floor(v / 3600)}:`}${two(v / 60 % 60)}:${two(v % 60)}`;
    },
    percentile: (v) => `${Number((100 * (1 - 1 / v)).toFixed(Math.max(1, Math.ceil(Math.log10(v)) - 1)))}%`,
  };
  // labels are those of a scale: all in the unit of the greatest, if it is linear.
  const labels = (unit, linear) => (u, splits) => {
    const top = Math.max(...splits.map((v) => Math.abs(v ?? 0)));
    const enough = { count: 10, rate: 10, seconds: 2 }[unit] ?? 1; // of a unit, to take it
    const [size, name] = linear && steps[unit]?.findLast(([size], i) => i === 0 || top >= enough * size) || [];
    return splits.map((v) => v == null ? "" : v === 0 && unit !== "percentile" ? "0" : size ? digits(v / size) + name : show[unit](v));
  };
  // between is how far lines of a scale may be apart.
  const round = Array.from({ length: 20 }, (_, i) => i - 7).flatMap((e) => [1, 2, 5].map((n) => Number(`${n}e${e}`)));
  const between = {
    count: round.filter((n) => n >= 1),
    seconds: [...round.filter((n) => n < 20), ...[20, 30, 60, 120, 300, 600, 1200, 1800], ...[1, 2, 4, 6, 12, 24, 48, 96, 192].map((h) => h * 3600)],
  };
  const xUnit = { time: "seconds", latency: "ms", percentile: "percentile" };

  // eachPhase calls f with the stretch of the chart that a phase has.
  function eachPhase(u, f) {
    const { ctx, bbox: { left, top, width, height } } = u;
    ctx.save();
    ctx.beginPath();
    ctx.rect(left, top, width, height);
    ctx.clip();
    phases.forEach((phase, i) => {
      const [x0, x1] = [phase.from, phase.to].map((at) => u.valToPos(at, "x", true));
      f(ctx, phase, i, Math.max(x0, left), Math.min(x1, left + width), top, height);
    });
    ctx.restore();
  }

  // shade is below the lines, names are above them, where there is room.
  const shade = (u) => eachPhase(u, (ctx, phase, i, x0, x1, top, height) => {
    ctx.fillStyle = colour("shade");
    if (i % 2) ctx.fillRect(x0, top, x1 - x0, height);
    ctx.fillStyle = colour("line");
    if (i > 0) ctx.fillRect(Math.round(x0), top, devicePixelRatio, height);
  });
  const names = (u) => eachPhase(u, (ctx, { name }, i, x0, x1, top) => {
    const gap = 5 * devicePixelRatio;
    ctx.font = `${11 * devicePixelRatio}px system-ui, sans-serif`;
    ctx.textBaseline = "top";
    ctx.textAlign = "left";
    ctx.fillStyle = colour("soft");
    if (ctx.measureText(name).width + 2 * gap <= x1 - x0) ctx.fillText(name, x0 + gap, top + 3 * devicePixelRatio);
  });

  // lonely has points drawn that no line would show.
  function lonely(u, index, shown) {
    if (shown) return null;
    const data = u.data[index];
    return data.flatMap((v, i) => v != null && data[i - 1] == null && data[i + 1] == null ? [i] : []);
  }

  const all = (u, splits) => splits;

  // axis has labels and lines at those values that a filter leaves.
  function axis(scale, values, { filter = all, grid = filter, ...more }) {
    return {
      scale, values, font, filter, stroke: () => colour("soft"),
      grid: { stroke: () => colour("grid"), width: 1, filter: grid },
      ticks: { stroke: () => colour("line"), width: 1, size: 4, filter: grid },
      ...more,
    };
  }

  // wide is how many pixels the longest label of a vertical scale takes.
  const wide = (u, values) => 14 + 6.6 * Math.max(3, ...(values ?? []).map((v) => v.length));

  function options(chart, width) {
    const log = chart.kind !== "time";
    const right = chart.series.find((s) => s.right);
    const left = chart.series.find((s) => !s.right) ?? right;
    const tone = (s) => () => colour(`s${s.color}`);
    // The vertical scale is logarithmic where a linear one would hide most of it.
    const values = chart.series.filter((s) => s.unit === "ms").flatMap((s) => s.values).filter((v) => v > 0);
    const steep = values.length > 0 && Math.max(...values) > 40 * Math.min(...values);
    const high = (room) => (u, min, max) => [0, max > 0 ? max * room : 1];
    const scale = (s) => steep && s.unit === "ms" ? { distr: 3 } : { range: high(s.right ? 1.5 : 1.15) }; // apart, and below the names
    const whole = ([x]) => [x[0], x[x.length - 1]];
    const scales = {
      x: {
        time: false,
        distr: log ? 3 : 1,
        // All of it at first, and what is chosen then.
        range: (u, min, max) => log || min !== whole(u.data)[0] || max !== whole(u.data)[1] ? [min, max] : [0, Math.max(end, max)],
      },
      y: scale(left),
    };
    if (right) scales.right = scale(right);
    // Of a logarithmic scale, decades have labels, and more if there are few.
    const decades = (u, splits) => {
      const few = u.scales.x.max / u.scales.x.min < 100 && chart.kind === "latency";
      return splits.map((v) => {
        const lead = Number((v / 10 ** Math.floor(Math.log10(v) + 1e-9)).toPrecision(6));
        return lead === 1 || few && (lead === 2 || lead === 5) ? v : null;
      });
    };
    const powers = (u, splits) => splits.map((v) => Math.abs(Math.log10(v) - Math.round(Math.log10(v))) < 1e-6 ? v : null);
    const incrs = (s, { distr }) => distr === 3 ? undefined : between[s.unit] ?? round;
    const axes = [
      axis("x", labels(xUnit[chart.kind], !log), { size: 30, space: 60, incrs: log ? undefined : between.seconds, filter: log ? decades : all, ...(chart.kind === "latency" && { grid: all }) }),
      axis("y", labels(left.unit, scales.y.distr !== 3), { size: wide, incrs: incrs(left, scales.y), filter: scales.y.distr === 3 ? powers : all }),
    ];
    if (right && right !== left) axes.push({ ...axis("right", labels(right.unit, scales.right.distr !== 3), { size: wide, incrs: incrs(right, scales.right), side: 1, stroke: tone(right) }), grid: { show: false } });
    return {
      width, height: 230, scales, axes,
      padding: [8, right ? 0 : chart.kind === "percentile" ? 34 : 18, 0, 0],
      cursor: chart.kind === "time" ? { sync: { key: "time" }, y: false } : { y: false },
      legend: { markers: { width: 0, fill: (u, i) => colour(`s${chart.series[i - 1].color}`) } },
      hooks: chart.kind === "time" ? { drawClear: [shade], draw: [names] } : {},
      series: [
        { label: { time: "at", latency: "up to", percentile: "share" }[chart.kind], value: (u, v) => v == null ? "–" : show[xUnit[chart.kind]](v) },
        ...chart.series.map((s) => ({
          label: s.label,
          scale: s.right && right !== left ? "right" : "y",
          stroke: tone(s),
          width: 1.5,
          fill: s.area ? () => `${colour(`s${s.color}`)}26` : undefined,
          paths: s.steps ? uPlot.paths.stepped({ align: -1 }) : undefined,
          points: s.steps ? { show: false } : { show: (u, i, from, to) => to - from < 20, size: 4, width: 1, fill: tone(s), filter: lonely },
          value: (u, v) => v == null ? "–" : show[s.unit](v),
        })),
      ],
    };
  }

  const drawn = [];
  for (const chart of charts) {
    const box = document.querySelector(`#${chart.id} .plot`);
    const plot = new uPlot(options(chart, box.clientWidth), [chart.x, ...chart.series.map((s) => s.values)], box);
    const picture = plot.root.querySelector(".u-wrap");
    picture.setAttribute("role", "img");
    picture.setAttribute("aria-labelledby", `${chart.id}-title`);
    picture.setAttribute("aria-describedby", `${chart.id}-text`);
    new ResizeObserver(() => {
      if (box.clientWidth > 0 && box.clientWidth !== plot.width) plot.setSize({ width: box.clientWidth, height: plot.height });
    }).observe(box);
    drawn.push(plot);
  }
  // uPlot keeps colours that it was given as functions, but has to be asked again.
  dark.addEventListener("change", () => {
    for (const plot of drawn) {
      plot.redraw(false, true);
      plot.root.querySelectorAll(".u-series .u-marker").forEach((m, i) => {
        const s = charts[drawn.indexOf(plot)].series[i - 1];
        if (s) m.style.background = colour(`s${s.color}`);
      });
    }
  });
})();
