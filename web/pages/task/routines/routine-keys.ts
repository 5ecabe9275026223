/** Query keys of the routines of a task, and of one of them. */
export const routineKeys = (collection: string, task: string, name?: string) =>
  name === undefined ? ['routines', collection, task] : ['routines', collection, task, name]
