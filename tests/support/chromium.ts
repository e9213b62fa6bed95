import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import chromiumBinary from '@sparticuz/chromium';
import { chromium, type Browser } from 'playwright-core';

/** A running browser and what it was unpacked into. */
export interface Chromium {
  readonly browser: Browser;
  close(): Promise<void>;
}

/**
 * A headless Chromium from its npm package: nothing has to be installed on the machine. Of the package's own flags only
 * what a container needs is taken: its list switches off web security, which is under test here.
 */
export const launchChromium = async (): Promise<Chromium> => {
  // The package unpacks to one fixed place below TMPDIR, and takes what it finds there half-written by another process.
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-chromium-'));
  const before = process.env['TMPDIR'];
  process.env['TMPDIR'] = folder;
  const executablePath = await chromiumBinary.executablePath().finally(() => {
    if (before === undefined) delete process.env['TMPDIR'];
    else process.env['TMPDIR'] = before;
  });
  const args = ['--no-sandbox', '--disable-setuid-sandbox', '--disable-gpu', '--no-zygote'];
  const browser = await chromium.launch({ executablePath, args, headless: true });
  return {
    browser,
    close: async () => {
      await browser.close();
      rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
    },
  };
};
