// mocha's spec reporter, plus one JSON file with the totals: tools/test.ts sums them over its mocha processes.
'use strict';
const { writeFileSync } = require('node:fs');
const { reporters } = require('mocha');

module.exports = class Totals extends reporters.Spec {
  constructor(runner, options) {
    super(runner, options);
    runner.once('end', () => {
      const { passes, failures, pending } = this.stats;
      const path = options.reporterOptions?.totals ?? options.reporterOption?.totals;
      if (path) writeFileSync(path, JSON.stringify({ passes, failures, pending }));
    });
  }
};
