/** Who is in what, as the subject log says. */
export interface Population {
  find(
    subjectId: string,
  ):
    | { readonly type: 'user' | 'service_account'; readonly active: boolean; readonly groupIds: readonly string[] }
    | undefined;
  members(groupId: string): readonly string[];
}
