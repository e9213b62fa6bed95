import type { PolicyContext } from '../../src/context.ts';

/** The service as it is when somebody's access ends right before a commit: nobody commits on their authority any more. */
export const whileAccessEnds = (context: PolicyContext, subjectId: string) => ({
  ...context,
  commitGuard: {
    enter: async (subject: Parameters<PolicyContext['commitGuard']['enter']>[0]) =>
      subject.subjectId === subjectId ? null : await context.commitGuard.enter(subject),
  },
});
