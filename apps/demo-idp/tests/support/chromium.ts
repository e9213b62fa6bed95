import chromiumBinary from '@sparticuz/chromium';
import { type Browser, chromium } from 'playwright-core';

/**
 * A headless Chromium from its npm package: nothing has to be installed on the machine. Of the package's own
 * flags only what a container needs is taken: its list switches off web security, which is under test here.
 */
export async function launchChromium(): Promise<Browser> {
  const args = ['--no-sandbox', '--disable-setuid-sandbox', '--disable-gpu', '--no-zygote'];
  return await chromium.launch({ executablePath: await chromiumBinary.executablePath(), args, headless: true });
}
