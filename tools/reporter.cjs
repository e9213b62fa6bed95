// mocha's spec reporter, plus one JSON file with the totals and what failed: tools/test.ts puts those of all its mocha
// processes together.
'use strict';
const { writeFileSync } = require('node:fs');
const { reporters } = require('mocha');

module.exports = class Totals extends reporters.Spec {
  constructor(runner, options) {
    super(runner, options);
    const failed = [];
    // A hook that fails is reported here too, and with it every test it was for is never run.
    runner.on('fail', (test, error) => {
      failed.push({ title: test.fullTitle(), file: test.file ?? '', reason: String(error?.stack ?? error) });
    });
    runner.once('end', () => {
      const { passes, failures, pending } = this.stats;
      const path = options.reporterOptions?.totals ?? options.reporterOption?.totals;
      if (path) writeFileSync(path, JSON.stringify({ passes, failures, pending, failed }));
    });
  }
};
