import { escapeHtml } from '@sallyport/http';

/** Where the style sheet of every page is served. */
export const STYLE_PATH = '/login/style.css';

/** A page: plain HTML, no script. `main` is HTML whose every value has been escaped. */
export interface PageContent {
  readonly title: string;
  readonly main: string;
  /** Moves on by itself, at once; the page still holds a link for those whose browser does not. */
  readonly refreshTo?: string;
}

/** The HTML of a page. */
export const page = ({ title, main, refreshTo }: PageContent): string => {
  const refresh =
    refreshTo === undefined ? '' : `<meta http-equiv="refresh" content="0; url=${escapeHtml(refreshTo)}">`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="same-origin">${refresh}
<title>${escapeHtml(title)} - Sallyport</title>
<link rel="stylesheet" href="${STYLE_PATH}">
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
export const STYLE = `:root { color-scheme: light dark; --ink: #14181f; --paper: #fff; --line: #5b6472; --accent: #0b3d91; --on-accent: #fff }
@media (prefers-color-scheme: dark) { :root { --ink: #f2f4f8; --paper: #12151b; --line: #a7b0bf; --accent: #a9c7ff; --on-accent: #0b1020 } }
* { box-sizing: border-box }
body { margin: 0 auto; max-width: 34rem; padding: 1.5rem; font: 1.05rem/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper) }
header p { margin: 0 0 2rem; font-weight: 700; letter-spacing: 0.02em }
h1 { font-size: 1.5rem; margin: 0 0 1rem }
h2 { font-size: 1.15rem; margin: 2rem 0 0.5rem }
label { display: block; margin: 0.75rem 0 0.25rem; font-weight: 600 }
input { width: 100%; padding: 0.6rem; font: inherit; color: inherit; background: transparent; border: 1px solid var(--line); border-radius: 0.3rem }
button { margin: 1rem 0.5rem 0 0; padding: 0.6rem 1.2rem; font: inherit; font-weight: 600; color: var(--on-accent); background: var(--accent); border: 0; border-radius: 0.3rem; cursor: pointer }
a { color: var(--accent) }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 0.3rem 1rem }
dt { font-weight: 600 } dd { margin: 0; overflow-wrap: anywhere }
ul { padding-left: 1.2rem }
[role="alert"] { padding: 0.75rem 1rem; border-left: 4px solid var(--accent) }
`;
