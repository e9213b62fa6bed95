import { readFile } from 'node:fs/promises';

import { AppError } from '@sallyport/errors';

import { STYLE } from './page.ts';

const KIB = 1024;
const MAX_THEME_BYTES = 64 * KIB;

const refuse = (problem: string): never => {
  throw new AppError('INVALID_VALUE', `The theme of the pages (SALLYPORT_THEME_FILE) ${problem}.`);
};

/** Comments and escapes could hide from us what a browser reads. */
const plain = (css: string): string => css.replaceAll(/\/\*[\s\S]*?\*\//g, ' ').toLowerCase();

/**
 * Our style sheet with a deployment's own rules after it, so that they count. What it would load from elsewhere, the
 * policy of the pages refuses; it is refused here already, with words, before anybody sees a page.
 * @throws INVALID_VALUE for a theme that is too large or that loads anything but embedded images
 */
export const themed = (theme: string): string => {
  if (Buffer.byteLength(theme) > MAX_THEME_BYTES) refuse(`is larger than ${MAX_THEME_BYTES / KIB} KiB`);
  const css = plain(theme);
  if (css.includes('@import')) refuse('imports another file');
  // Escapes have one honest use here, characters in `content`, which can be written as they are.
  if (css.includes('\\')) refuse('has a backslash: write characters as they are');
  for (const [, target = ''] of css.matchAll(/(?:url|src|image-set|image)\(\s*(?:["']\s*)?([^)]*)/g))
    if (!target.startsWith('data:image/')) refuse('loads something from elsewhere: embed images as data:image/…');
  return `${STYLE}\n/* Theme of this deployment. */\n${theme}\n`;
};

/** The style sheet of every page. @throws INVALID_VALUE; the error of the file system */
export const readStyleSheet = async (themeFile: string | undefined): Promise<string> =>
  themeFile === undefined ? STYLE : themed(await readFile(themeFile, 'utf8'));
