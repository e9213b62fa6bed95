import { escapeHtml } from '@sallyport/http';

/** Where the style sheet of every page is served. */
export const STYLE_PATH = '/login/style.css';

/** Where the one script of pages that offer passkeys is served. */
export const PASSKEY_SCRIPT_PATH = '/login/passkeys.js';
/** Where the script is served that takes the secret of a mailed link out of the address bar. */
export const LINK_SCRIPT_PATH = '/login/link.js';

/** A page: plain HTML, usable without its script. `main` is HTML whose every value has been escaped. */
export interface PageContent {
  readonly title: string;
  readonly main: string;
  /** Moves on by itself, at once; the page still holds a link for those whose browser does not. */
  readonly refreshTo?: string;
  /** A file of our own; the policy of pages allows no other script. */
  readonly script?: typeof PASSKEY_SCRIPT_PATH | typeof LINK_SCRIPT_PATH;
}

// A gate with two doors. Inside the page, so that no browser asks for /favicon.ico.
const ICON =
  "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'%3E%3Crect width='32' height='32' rx='7' fill='%230b3d91'/%3E%3Cpath d='M7 25V14a4 4 0 0 1 8 0v11zM17 25V14a4 4 0 0 1 8 0v11z' fill='%23fff'/%3E%3C/svg%3E";

/** The HTML of a page. */
export const page = ({ title, main, refreshTo, script }: PageContent): string => {
  const refresh =
    refreshTo === undefined ? '' : `<meta http-equiv="refresh" content="0; url=${escapeHtml(refreshTo)}">`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="same-origin">${refresh}
<title>${escapeHtml(title)} - Sallyport</title>
<link rel="icon" href="${ICON}">
<link rel="stylesheet" href="${STYLE_PATH}">${script === undefined ? '' : `\n<script src="${script}" defer></script>`}
</head>
<body>
<header><p>Sallyport</p></header>
<main>
<h1>${escapeHtml(title)}</h1>
${main}
</main>
</body>
</html>`;
};

/** The style sheet: readable with any font size, contrast above 7:1 in both schemes, visible focus. */
export const STYLE = `:root { color-scheme: light dark; --ink: #14181f; --soft: #454d5a; --ground: #f3f5f9; --paper: #fff; --line: #5b6472; --edge: #d5dae3; --accent: #0b3d91; --on-accent: #fff; --alert: #8f1d14 }
@media (prefers-color-scheme: dark) { :root { --ink: #f2f4f8; --soft: #c3cad6; --ground: #0d1015; --paper: #171b22; --line: #a7b0bf; --edge: #333b48; --accent: #a9c7ff; --on-accent: #0b1020; --alert: #ffb4ab } }
* { box-sizing: border-box }
body { margin: 0 auto; max-width: 32rem; min-height: 100vh; padding: clamp(1rem, 6vh, 4rem) 1rem; font: 1.05rem/1.5 system-ui, sans-serif; color: var(--ink); background: var(--ground) }
header p { margin: 0 0 1rem; padding-left: 0.7rem; border-left: 0.35rem double var(--accent); font-weight: 700; letter-spacing: 0.02em; line-height: 1.2 }
main { padding: clamp(1.25rem, 5vw, 2rem); background: var(--paper); border: 1px solid var(--edge); border-radius: 0.75rem }
main > :last-child { margin-bottom: 0 }
h1 { margin: 0 0 1rem; font-size: 1.5rem; line-height: 1.25 }
h2 { margin: 2rem 0 0.5rem; font-size: 1.15rem }
label { display: block; margin: 1rem 0 0.25rem; font-weight: 600 }
.hint { margin: 0 0 0.25rem; color: var(--soft); font-size: 0.95rem }
input { width: 100%; padding: 0.6rem; font: inherit; color: inherit; background: transparent; border: 1px solid var(--line); border-radius: 0.35rem }
button, .button { display: inline-block; margin: 1rem 0.5rem 0 0; padding: 0.6rem 1.2rem; font: inherit; font-weight: 600; text-decoration: none; color: var(--on-accent); background: var(--accent); border: 1px solid var(--accent); border-radius: 0.35rem; cursor: pointer }
button.secondary { color: var(--accent); background: transparent }
button:hover, .button:hover { filter: brightness(1.15) }
a { color: var(--accent) }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px }
details { margin-top: 2rem; padding-top: 1rem; border-top: 1px solid var(--edge) }
summary { width: max-content; max-width: 100%; font-weight: 600; color: var(--accent); cursor: pointer }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 0.3rem 1rem }
dt { font-weight: 600 } dd { margin: 0; overflow-wrap: anywhere }
ul { padding-left: 1.2rem }
ul.choices { margin: 0; padding: 0; list-style: none }
ul.choices a { display: block; margin-top: 0.5rem; padding: 0.8rem 1rem; font-weight: 600; text-decoration: none; border: 1px solid var(--line); border-radius: 0.35rem }
ul.choices span { display: block; font-weight: 400; font-size: 0.95rem; color: var(--soft) }
code { overflow-wrap: anywhere }
ul.codes { padding: 0; list-style: none; columns: 2; font: 600 1.05rem/2 ui-monospace, monospace }
ul.things { padding: 0; list-style: none }
ul.things > li { padding: 0.75rem 0; border-top: 1px solid var(--edge) }
form.inline { display: inline-block }
svg[role="img"] { display: block; max-width: 100%; height: auto; border-radius: 0.35rem }
.problem { margin: 0.25rem 0 0; color: var(--alert); font-weight: 600 }
[hidden] { display: none !important }
[role="alert"] { margin: 0 0 1rem; padding: 0.6rem 1rem; border-left: 4px solid var(--alert); color: var(--alert); font-weight: 600 }
@media (max-width: 30rem) { dl { display: block } dd { margin-bottom: 0.5rem } }
`;
