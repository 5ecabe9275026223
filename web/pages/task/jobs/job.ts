/** Work over the rows of a table, as a list shows it: a batch or an evaluation. */
export interface Job {
  id: string
  name: string | null
  status: string
  /** Rows. */
  total: number
  created: string
  ended: string | null
}

/** How often an open job is asked for. */
const askAgainMs = 1_000

/** Asks again while a job goes on; an ended one never changes. */
export const whileOpen = ({ state }: { state: { data?: Pick<Job, 'ended'> | undefined; error: unknown } }) =>
  state.error || state.data?.ended !== null ? false : askAgainMs

/** Asks for a list again while something in it goes on. */
export const whileAnyOpen = (listed: readonly Pick<Job, 'ended'>[]) =>
  listed.some(({ ended }) => ended === null) ? 2 * askAgainMs : false
