/* report_style.c - how the report looks: colours are variables, which a dark scheme sets anew; what
 * is wide is a grid that becomes one column, and the table's rows become blocks, on a narrow
 * screen. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "lab/report_parts.h"

const char hidi_report_style[] =
    ":root{color-scheme:light dark;--ink:#222;--dim:#5b5f66;--paper:#fff;--line:#dcdfe4;"
    "--tint:#eaf2ff;--soft:#f4f5f7;--link:#0b5cad}\n"
    "@media (prefers-color-scheme:dark){:root{--ink:#ddd;--dim:#a4a9b2;--paper:#16181c;"
    "--line:#363a42;--tint:#1d2b42;--soft:#1f2227;--link:#7db8ff}}\n"
    "*{box-sizing:border-box}\n"
    "body{font:16px/1.5 system-ui,sans-serif;max-width:70rem;margin:0 auto;"
    "padding:1.5rem .75rem 4rem;color:var(--ink);background:var(--paper)}\n"
    "h1{font-size:1.7rem;line-height:1.2;margin:.5rem 0}h2{font-size:1.3rem;margin:3rem 0 .5rem}"
    "h3{font-size:1.05rem;margin:2rem 0 .5rem}p{max-width:46rem}a{color:var(--link)}"
    ".note,figcaption,.facts{color:var(--dim);font-size:.9rem}"
    "code,pre{font-family:ui-monospace,monospace;font-size:.85rem;overflow-wrap:anywhere}"
    "pre{background:var(--soft);padding:.75rem;border-radius:.4rem;white-space:pre-wrap}"
    "details{margin:1rem 0}summary{cursor:pointer}\n"
    "table{border-collapse:collapse;margin:1rem 0}"
    "td,th{padding:.35rem .8rem;text-align:right;border-bottom:1px solid var(--line)}"
    "th{font-weight:600;vertical-align:bottom;font-size:.9rem}"
    "td:first-child,th:first-child{text-align:left;padding-left:.4rem}"
    "tr.result td{font-weight:600;background:var(--tint)}"
    "td{font-variant-numeric:tabular-nums}\n"
    "@media (max-width:46rem){table.wide,.wide tbody,.wide tr{display:block}"
    ".wide tr.head{display:none}.wide tr{display:grid;grid-template-columns:1fr 1fr;gap:0 1.25rem;"
    "padding:.5rem 0;border-bottom:1px solid var(--line)}"
    ".wide td{display:flex;justify-content:space-between;border:0;padding:.1rem .4rem}"
    ".wide td:first-child{grid-column:1/-1;font-weight:600}.wide td:empty{display:none}"
    ".wide td[data-name]::before{content:attr(data-name);color:var(--dim);font-size:.85rem;"
    "font-weight:400;text-align:left}.wide tr.result{background:var(--tint)}}\n"
    "figure{margin:0;min-width:0}figure>img{display:block;width:100%;max-width:40rem;height:auto}"
    "figcaption{max-width:40rem;margin-top:.4rem}img{image-rendering:pixelated}"
    "svg.plot{display:block;width:100%;max-width:40rem;height:auto}"
    ".grid{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,22rem),1fr));"
    "gap:1.75rem 1.5rem;margin:1rem 0}\n"
    ".formula{background:var(--soft);border-left:3px solid var(--link);padding:.5rem .75rem;"
    "margin:.75rem 0;max-width:46rem;font-family:Cambria,'DejaVu Serif',serif}"
    ".formula span{display:inline-block;margin-right:2rem}"
    ".cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,20rem),1fr));"
    "gap:1.25rem 1.5rem;margin:1rem 0}.card>div{display:flex;gap:3px}"
    ".card>div>div{flex:1;min-width:0;max-width:6rem;text-align:center}"
    ".card img{display:block;width:100%}.card small{display:block;color:var(--dim);"
    "font-size:.75rem;line-height:1.2;margin-top:.2rem}"
    ".card figcaption{color:var(--ink);font-size:1rem;margin-top:.2rem;overflow-wrap:anywhere}"
    ".asked{font-size:.9rem;margin:.5rem 0;columns:13rem}\n"
    ".film{display:grid;gap:3px;margin:1rem 0;align-items:center}"
    ".film img{display:block;width:100%}"
    ".film .row{grid-column:1/-1;margin-top:.6rem;font-size:.9rem}"
    ".film .t{font-size:.75rem;color:var(--dim);text-align:center}"
    ".arrow{display:flex;align-items:center;color:var(--dim);padding:0 .3rem}"
    ".arrow i{flex:1;border-top:2px solid}.arrow b{margin-left:-.2rem;font-weight:400}\n"
    ".growth{margin:1rem 0;max-width:40rem}.growth img{display:block;width:100%}"
    ".growth input{width:100%;margin:.5rem 0 0}.growth [hidden]{display:none}"
    ".scale{display:flex;align-items:center;gap:.5rem;margin-top:.4rem;font-size:.9rem;"
    "color:var(--dim);max-width:24rem}.scale i{flex:1;height:.7rem;"
    "background:linear-gradient(90deg,#808080,#e61a1a)}";

const char hidi_report_script[] =
    "document.querySelectorAll('.growth').forEach(function (g) {\n"
    "  var f = g.querySelectorAll('figure'), s = g.querySelector('input');\n"
    "  s.hidden = false;\n"
    "  s.oninput = function () { f.forEach(function (e, i) { e.hidden = i != s.value; }); };\n"
    "});";
