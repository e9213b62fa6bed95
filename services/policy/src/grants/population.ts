/** Who is in what, as the subject log says. */
export interface Population {
  find(subjectId: string):
    | {
        readonly type: 'user' | 'service_account';
        readonly active: boolean;
        readonly groupIds: readonly string[];
        readonly epoch?: bigint;
        /** The epoch in which they were removed last. */
        readonly removedEpoch?: bigint | undefined;
      }
    | undefined;
  members(groupId: string): readonly string[];
}
