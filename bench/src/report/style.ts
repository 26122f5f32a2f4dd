/** The report's whole style: no font, image or script from elsewhere. Colours are told apart by the colour-blind. */
export const STYLE = `
:root{color-scheme:light dark;--bg:#fbfbfa;--card:#fff;--ink:#1c1e21;--soft:#5d646d;--rule:#e3e5e8;--grid:#eceef0;
--s1:#2563b0;--s2:#d2691e;--s3:#2a8f6a;--s4:#8a4fbf;--s5:#b8860b;--s6:#c23b67;--good:#1d7a4b;--bad:#b3261e}
@media(prefers-color-scheme:dark){:root{--bg:#131518;--card:#1b1e22;--ink:#e8eaed;--soft:#a0a8b2;--rule:#30353b;--grid:#272b30;
--s1:#6ea8f5;--s2:#f0975a;--s3:#5cc79d;--s4:#bd93ea;--s5:#dcb44a;--s6:#ee84a6;--good:#5cc79d;--bad:#f2877f}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:1180px;margin:0 auto;padding:28px 18px 60px}
h1{font-size:1.6rem;line-height:1.2;margin:0 0 4px}
h2{font-size:1.2rem;margin:44px 0 12px;padding-top:18px;border-top:1px solid var(--rule)}
p{margin:6px 0;max-width:84ch}
.soft,small{color:var(--soft)}
.outcome{display:inline-block;padding:1px 9px;border-radius:99px;font-size:.8rem;font-weight:600;border:1px solid}
.good{color:var(--good)}.bad{color:var(--bad)}
.scroll{overflow-x:auto;margin:12px 0;border:1px solid var(--rule);border-radius:8px;background:var(--card)}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums;font-size:.86rem}
th,td{padding:6px 11px;text-align:right;white-space:nowrap;border-bottom:1px solid var(--grid)}
tr:last-child td{border-bottom:0}
th{font-weight:600;color:var(--soft)}
th:first-child,td:first-child{text-align:left}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,430px),1fr));gap:14px}
figure{margin:0;padding:12px 12px 6px;background:var(--card);border:1px solid var(--rule);border-radius:8px;display:flex;flex-direction:column}
figcaption{font-weight:600;font-size:.92rem;line-height:1.35}
figcaption small{display:block;font-weight:400}
.legend{display:flex;flex-wrap:wrap;gap:2px 14px;font-size:.8rem;color:var(--soft);margin:4px 0}
.legend span{display:inline-flex;align-items:center;gap:5px}
svg{display:block;width:100%;height:auto;margin-top:auto}
svg.key{width:22px;height:10px;margin:0}
svg text{font-family:inherit;fill:var(--soft)}
.tick{font-size:12px}.label{font-size:12px}
svg .value{fill:var(--ink);font-size:13px;font-weight:600}
.grid{stroke:var(--grid)}.axis{stroke:var(--soft)}
.s1{--c:var(--s1)}.s2{--c:var(--s2)}.s3{--c:var(--s3)}.s4{--c:var(--s4)}.s5{--c:var(--s5)}.s6{--c:var(--s6)}
.line{fill:none;stroke:var(--c);stroke-width:1.8;stroke-linejoin:round}
.line.strong{stroke-width:3}
.dashed{stroke-dasharray:5 4;opacity:.8}
.area{fill:var(--c);fill-opacity:.16;stroke:var(--c);stroke-width:1.4}
.bar{fill:var(--c)}.dot{fill:var(--c)}
.error{fill:none;stroke:var(--ink);stroke-width:1.5}
.heat{fill:var(--s1)}
details{margin:14px 0}summary{cursor:pointer;color:var(--soft);font-size:.88rem}
dl{display:grid;grid-template-columns:max-content 1fr;gap:3px 18px;font-size:.88rem;margin:12px 0}
dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}
ul{margin:6px 0;padding-left:20px}
`;
