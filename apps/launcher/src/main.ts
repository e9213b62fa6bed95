import { enableCompileCache } from 'node:module';

// Before anything else is loaded: what was compiled at the last start is not compiled again.
enableCompileCache(new URL('../../../node_modules/.cache/sallyport-node', import.meta.url).pathname);
const { run } = await import('./run.ts');
run();
