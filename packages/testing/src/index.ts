export { computedMs, computingMs } from './computed-time.ts';
export { experiencedMs } from './experienced-time.ts';
export { longestTurnMs } from './longest-turn.ts';
