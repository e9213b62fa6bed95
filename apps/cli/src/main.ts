#!/usr/bin/env node
import process from 'node:process';

import { run } from './run.ts';

// Whoever reads (head, a pager) may have seen enough.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit();
});

process.exitCode = await run(process.argv);
