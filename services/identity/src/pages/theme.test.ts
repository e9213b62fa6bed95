import assert from 'node:assert/strict';

import { STYLE } from './page.ts';
import { readStyleSheet, themed } from './theme.ts';

const LOGO = "header p::before { content: url('data:image/svg+xml,%3Csvg/%3E') }";

describe('The theme of the pages', () => {
  it('comes after our own rules, so that it counts, and takes none of them away', () => {
    const theme = `:root { --accent: #7a0019 } header p { font-size: 0 } ${LOGO}`;
    const css = themed(theme);
    assert.ok(css.startsWith(STYLE));
    assert.ok(css.indexOf(theme) > STYLE.length);
  });

  it('is ours where there is none', async () => {
    assert.equal(await readStyleSheet(undefined), STYLE);
  });

  const refused: readonly (readonly [string, string])[] = [
    ['imports', '@import "https://evil.example/x.css";'],
    ['imports in other letters', '@IMPORT url(x.css);'],
    ['loads a picture', 'body { background: url(https://evil.example/track.png) }'],
    ['loads a picture in quotes', 'body { background: url( "//evil.example/x") }'],
    ['loads a font', '@font-face { font-family: x; src: url(x.woff2) }'],
    ['loads a set of images', 'p { background: image-set("https://evil.example/x" 1x) }'],
    ['embeds what is no image', 'p { background: url(data:text/html,x) }'],
    ['hides it behind a comment', 'p { background: url(/* */https://evil.example/x) }'],
    ['hides it behind an escape', 'p { background: \\75rl(https://evil.example/x) }'],
    ['is larger than 64 KiB', `/*${'x'.repeat(64 * 1024)}*/`],
  ];
  for (const [name, theme] of refused)
    it(`is refused at the start when it ${name}`, () => {
      assert.throws(() => themed(theme), { code: 'INVALID_VALUE' });
    });
});
