"""The look of a report: one sheet of styles, for screens, phones, the dark and paper."""

CSS = """
:root { color-scheme: light dark; --page: #f6f8fa; --card: #fff; --line: #dde3e9; --ink: #1f2933;
  --text: #46525e; --faint: #5b6773; --own: #0072b2; --good: #00724e; --doubt: #b04400; }
@media (prefers-color-scheme: dark) {
  :root { --page: #12161b; --card: #1b2128; --line: #323b45; --ink: #e8edf2; --text: #bcc6d0;
    --faint: #9aa6b2; --own: #6bb8ee; --good: #4fc79a; --doubt: #f09a5e; }
  img { filter: brightness(.9); }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { max-width: 1060px; margin: 0 auto; padding: 36px 24px 64px; }
h1 { font-size: 30px; line-height: 1.2; margin: 0 0 6px; overflow-wrap: anywhere; }
h2 { font-size: 19px; line-height: 1.3; margin: 0 0 4px; }
p, li { color: var(--text); max-width: 74ch; overflow-wrap: anywhere; }
p { margin: 0 0 14px; }
ul { margin: 6px 0 0; padding-left: 20px; }
li { margin: 0 0 6px; }
.card, details { background: var(--card); border: 1px solid var(--line); border-radius: 10px;
  padding: 18px 20px; min-width: 0; }
.keys, .said, .items { display: grid; gap: 18px; margin: 18px 0; }
.keys { grid-template-columns: repeat(3, minmax(0, 1fr)); }
.said, .items { grid-template-columns: repeat(2, minmax(0, 1fr)); grid-auto-flow: dense;
  align-items: start; }
.key b { display: block; font-size: clamp(19px, 2.4vw, 27px); line-height: 1.25;
  font-variant-numeric: tabular-nums; white-space: nowrap; }
.key small { font-size: .6em; font-weight: 400; color: var(--faint); }
.key span { color: var(--text); }
.said h2 { font-size: 16px; }
.said > :only-child { grid-column: 1 / -1; }
.good h2 { color: var(--good); }
.doubtful h2 { color: var(--doubt); }
.whole { grid-column: 1 / -1; }
img { display: block; max-width: 100%; height: auto; margin: 0 auto; background: #fff;
  border-radius: 6px; }
.zoom { display: block; cursor: zoom-in; }
.zoom input { position: absolute; opacity: 0; width: 1px; height: 1px; }
.zoom input:focus-visible + span img { outline: 3px solid var(--own); }
.zoom input:checked + span { position: fixed; inset: 0; z-index: 9; overflow: auto;
  background: var(--page); cursor: zoom-out; }
.zoom input:checked + span img { max-width: none; width: min(max(100vw, 900px), 180vh); }
table { border-collapse: collapse; width: 100%; font-size: 15px; }
td, th { padding: 6px 0; border-top: 1px solid var(--line); vertical-align: top;
  text-align: left; overflow-wrap: anywhere; }
tr:first-child > * { border-top: 0; }
.pairs td:first-child { color: var(--faint); padding-right: 18px; overflow-wrap: break-word; }
.pairs td:last-child { text-align: right; }
.number { white-space: nowrap; font-variant-numeric: tabular-nums; overflow-wrap: normal; }
.wide { overflow-x: auto; }
.grid th { font-weight: 600; font-size: 13px; white-space: normal; color: var(--faint);
  vertical-align: bottom; }
.grid td, .grid th { padding-right: 16px; overflow-wrap: normal; }
.grid .number { text-align: right; }
.grid tr.own td { font-weight: 600; color: var(--own); }
details { margin: 12px 0; }
summary { cursor: pointer; font-weight: 600; }
details[open] > summary { margin-bottom: 12px; }
code { font-size: 14px; overflow-wrap: anywhere; }
@media (max-width: 700px) {
  main { padding: 22px 14px 48px; }
  h1 { font-size: 25px; }
  .card, details { padding: 14px 14px; }
  .said, .items { grid-template-columns: minmax(0, 1fr); }
  .keys { gap: 10px; grid-template-columns: minmax(0, 1fr); }
  .key { display: grid; grid-template-columns: minmax(0, 1fr) auto; gap: 12px; align-items: center;
    padding: 10px 14px; }
  .key b { order: 2; font-size: 21px; text-align: right; }
}
@media print {
  :root { color-scheme: light; --page: #fff; --card: #fff; --line: #ccc; --ink: #000;
    --text: #222; --faint: #444; }
  img { filter: none; max-height: 22cm; }
  .grid td, .grid th { font-size: 12px; padding-right: 8px; }
  .card, tr { break-inside: avoid; }
  details::details-content { content-visibility: visible; display: block; height: auto; }
}
"""
