"""The looks of report.html: light and dark by the reader's preference, light on paper, narrow screens included."""

STYLE = """
:root {
  color-scheme: light dark;
  --paper: #fdfdfc; --ink: #1c2126; --soft: #5b6570; --faint: #848e98; --rule: #dfe3e6; --wash: #f3f4f4;
  --v0: #44515e; --v1: #0b62b8; --v2: #c2571a; --v3: #1d7f4e; --v4: #7a3fb0; --v5: #a98307; --v6: #b3246b;
    --vx: #98a1aa;
  --good: #1d7f4e; --bad: #b3261e; --open: #8a6500;
  --lag: #b3261e; --publish: #3f7fc1; --queue: #d9d4c5; --prefetch: #c3bca6; --body: #2f8a5b; --store: #c2571a;
  --rest: #8a94a0; --inpale: #1c2126; --instrong: #fff;
  --backlog: #eef0f2; --drain: #e0ebf7; --paced: #f6efdd;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --paper: #15181b; --ink: #e4e6e8; --soft: #a3acb5; --faint: #7d8791; --rule: #31373d; --wash: #1e2226;
    --v0: #aab7c4; --v1: #5aa7f0; --v2: #ee8d54; --v3: #58bd88; --v4: #b98ae6; --v5: #d8b545; --v6: #ee77ae;
      --vx: #707a84;
    --good: #58bd88; --bad: #f2857d; --open: #d8b545;
    --lag: #f2857d; --publish: #5c9ad8; --queue: #4a473e; --prefetch: #645f51; --body: #4aa878; --store: #dd7a3f;
    --rest: #76808a; --inpale: #e4e6e8; --instrong: #101214;
    --backlog: #1f2327; --drain: #1a2937; --paced: #2b271b;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body {
  margin: 0; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", "Helvetica Neue", Arial, sans-serif;
  -webkit-print-color-adjust: exact; print-color-adjust: exact;
}
main { max-width: 1020px; margin: 0 auto; padding: 40px 30px 80px; }
a { color: var(--v1); text-underline-offset: 2px; overflow-wrap: anywhere; }
code, pre { font: 13px/1.45 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; overflow-wrap: anywhere; }
pre { background: var(--wash); padding: 12px 14px; white-space: pre-wrap; border-radius: 3px; }
small { color: var(--soft); font-size: 13px; font-weight: 400; }
p, ul, figcaption, dl { max-width: 78ch; }
.kicker { color: var(--soft); margin: 0; font-size: 13px; }
h1, blockquote { font-family: "Iowan Old Style", "Palatino Linotype", Palatino, Charter, Georgia, serif; }
h1 { font-size: 44px; line-height: 1.1; font-weight: 600; margin: 10px 0 18px; letter-spacing: -0.01em; }
h1 .of { display: block; font: 600 17px/1.4 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace;
  color: var(--ink); }
h1.confirmed, .good { color: var(--good); }
h1.refuted, h1.invalid, .bad { color: var(--bad); }
h1.no-difference, h1.inconclusive, h1.trial { color: var(--open); }
blockquote { font-size: 21px; line-height: 1.42; margin: 0 0 24px; max-width: 44em; }
blockquote.void { color: var(--soft); font-size: 17px; }
.reasons { border-left: 3px solid var(--bad); padding: 8px 14px 8px 30px; margin: 0 0 22px; background: var(--wash); }
h2 { font-size: 20px; margin: 54px 0 12px; padding-top: 12px; border-top: 1px solid var(--rule); line-height: 1.25; }
h3 { font-size: 15px; margin: 24px 0 6px; }
nav { display: flex; flex-wrap: wrap; gap: 4px 18px; margin-top: 26px; font-size: 13px; }
nav a { color: var(--soft); text-decoration: none; } nav a:hover { text-decoration: underline; }
dl { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: 5px 20px; margin: 0; }
dt { color: var(--soft); } dd { margin: 0; }
dl.facts { font-size: 13px; gap: 2px 16px; max-width: none;
  grid-template-columns: minmax(90px, max-content) minmax(0, 1fr); }
.facts dd { overflow-wrap: anywhere; } .facts .varied code { font-weight: 700; color: var(--v1); }
.variants { display: grid; grid-template-columns: repeat(auto-fit, minmax(300px, 1fr)); gap: 0 36px; }
figure { margin: 0; }
figcaption { color: var(--soft); font-size: 13.5px; line-height: 1.5; margin-top: 14px; }
.note { color: var(--soft); font-size: 13.5px; }
.scroll { overflow-x: auto; }
.wide svg { display: block; width: 100%; min-width: 680px; height: auto; }
table { border-collapse: collapse; font-size: 13.5px; line-height: 1.35; font-variant-numeric: tabular-nums; }
thead th, thead td { font-weight: 500; color: var(--soft); vertical-align: bottom; }
thead th, thead td { border-bottom: 1px solid var(--rule); }
th, td { padding: 3px 18px 3px 0; text-align: right; white-space: nowrap; }
th:first-child { text-align: left; font-weight: 500; }
.rounds td:nth-child(2), .rounds th:nth-child(2) { text-align: left; }
.numbers td:last-child, .numbers th:last-child { text-align: left; color: var(--soft); white-space: normal; }
.numbers { margin-top: 18px; }
.legend { display: flex; flex-wrap: wrap; gap: 2px 18px; font-size: 13.5px; margin: 4px 0 8px; max-width: none; }
.swatch { display: inline-block; width: 12px; height: 12px; margin-right: 6px; background: var(--c);
  vertical-align: -1px; }
.v0 { --c: var(--v0); } .v1 { --c: var(--v1); } .v2 { --c: var(--v2); } .v3 { --c: var(--v3); }
.v4 { --c: var(--v4); }
.v5 { --c: var(--v5); } .v6 { --c: var(--v6); } .vx { --c: var(--vx); }
.named { color: var(--c); } .told { font-size: 13.5px; padding-left: 18px; margin: 6px 0; max-width: none; }

.effects { width: 100%; margin: 6px 0 16px; }
.effects th, .effects td { padding: 2px 12px 2px 0; vertical-align: middle; height: 26px; }
.effects thead th, .effects thead td { vertical-align: bottom; height: auto; }
.effects tbody th { font-weight: 500; text-align: left; } .effects tbody tr { border-bottom: 1px solid var(--rule); }
.effects .judged { background: var(--wash); font-size: 15px; } .effects .judged th { padding-left: 8px; }
.effects .judged tr:first-child { font-weight: 600; }
.effects .decides { color: var(--v1); }
.effects .plot, .effects .scale { min-width: 150px; width: 22%; } .effects .words { text-align: left; }
.costs .plot, .costs .scale { min-width: 74px; width: 11%; } .costs .groups th { text-align: left; font-weight: 600; }
.costs td:nth-child(6) { border-right: 1px solid var(--rule); } .costs td:nth-child(7) { padding-left: 6px; }
.effects b { font-weight: 600; } .effects s { color: var(--faint); }
details { margin: 10px 0; } summary { cursor: pointer; color: var(--v1); }
.forest { display: block; overflow: visible; } .forest text { font-size: 11.5px; fill: var(--faint); }
.forest .grid { stroke: var(--rule); } .forest .one { stroke: var(--soft); }
.interval { stroke: var(--c); stroke-width: 2.5; } .noise { stroke: var(--vx); stroke-width: 2; }
.dot { fill: var(--paper); stroke: var(--c); stroke-width: 1.8; } .dot.clear { fill: var(--c); }
.forest .arrow { fill: var(--c); font-size: 14px; }

svg text { font-size: 12px; fill: var(--soft); font-family: inherit; font-variant-numeric: tabular-nums; }
svg .faint { fill: var(--faint); font-size: 11.5px; } svg .strong { fill: var(--c); font-size: 13px;
  font-weight: 600; }
svg .grid { stroke: var(--rule); stroke-width: 1; }
.curve { fill: none; stroke: var(--c); stroke-width: 2; stroke-linejoin: round; } .vx .curve { stroke-width: 1.5; }
.curve.loose { stroke-dasharray: 2 3; } .ring { fill: var(--paper); stroke: var(--c); stroke-width: 1.5; }
.bars { display: grid; gap: 6px; margin: 8px 0; } .barhead { font-size: 13.5px; }
.bar { display: block; overflow: visible; }
.lag { --c: var(--lag); } .publish { --c: var(--publish); } .queue { --c: var(--queue); } .body { --c: var(--body); }
.prefetch { --c: var(--prefetch); } .store { --c: var(--store); } .rest { --c: var(--rest); }
.stage { fill: var(--c); stroke: var(--paper); stroke-width: 1; } .median { stroke: var(--ink); stroke-width: 2; }
svg .in { fill: var(--instrong); } svg .in.queue, svg .in.prefetch { fill: var(--inpale); }
.backlog { --c: var(--backlog); } .drain { --c: var(--drain); } .paced { --c: var(--paced); }
.phase { fill: var(--c); } .finished { fill: var(--c); fill-opacity: 0.75; } .axis { stroke: var(--faint); }
.published { fill: none; stroke: var(--ink); stroke-width: 1; stroke-opacity: 0.75; }
i.swatch.published { background: none; border-top: 1px solid var(--ink); height: 0; vertical-align: 4px; }
i.swatch.finished { background: var(--v1); opacity: 0.75; }

@media (max-width: 720px) {
  main { padding: 22px 16px 60px; }
  h1 { font-size: 34px; } blockquote { font-size: 18px; }
  main > header dl { display: block; } main > header dt { margin-top: 8px; }
  svg .in { display: none; }
}
@media print {
  :root { --paper: #fff; }
  body { font-size: 10pt; orphans: 3; widows: 3; } table { font-size: 8.5pt; }
  main { max-width: none; padding: 0; } nav { display: none; }
  h2 { margin-top: 24pt; break-after: avoid; } h3 { break-after: avoid; }
  tbody, tr, .wide, .bars, figcaption, pre { break-inside: avoid; }
  .scroll { overflow: visible; } .wide svg { min-width: 0; }
  @page { margin: 15mm; }
}
"""
