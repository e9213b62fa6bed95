/**
 * What this service writes down of the subject log, so that a restart resumes where the last process stood.
 *
 * Owns: the written copy of standing. Does not own: following the log and the memory of it (@sallyport/subject-feed).
 */
export { StandingWriter } from './writer.ts';
