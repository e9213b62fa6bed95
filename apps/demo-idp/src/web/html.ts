/** Markup that is safe to send: made only by `html`, which escapes every value put into it. */
export interface Html {
  readonly markup: string;
}

type HtmlValue = Html | string | number | null | readonly Html[];

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** A piece of markup; strings and numbers are escaped for text and for quoted attributes, null is nothing. */
export function html(literals: TemplateStringsArray, ...values: readonly HtmlValue[]): Html {
  const parts = literals.map((literal, index) => `${literal}${render(values[index] ?? null)}`);
  return { markup: parts.join('') };
}

/** A whole document with the style sheets and, where named, one script. */
export function page(title: string, body: Html, script: string | null): string {
  const document = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>${title}</title>
        <link rel="icon" href="/assets/icon.svg" type="image/svg+xml" />
        <link rel="stylesheet" href="/assets/page.css" />
        <link rel="stylesheet" href="/assets/company.css" />
        ${script === null ? null : html`<script src="${script}" defer></script>`}
      </head>
      ${body}
    </html> `;
  return document.markup;
}

/** Two letters that stand for a picture of somebody. */
export function initials({ givenName, familyName }: { givenName: string; familyName: string }): string {
  return [givenName, familyName].map((name) => String.fromCodePoint(name.codePointAt(0) ?? 0x20)).join('');
}

function render(value: HtmlValue): string {
  if (value === null) return '';
  if (typeof value === 'string') return value.replaceAll(/[&<>"']/g, (character) => ESCAPES[character] ?? '');
  if (typeof value === 'number') return String(value);
  return 'markup' in value ? value.markup : value.map((piece) => piece.markup).join('');
}
