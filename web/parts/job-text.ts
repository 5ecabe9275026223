import type { RunStep } from '../data/run.ts'
import { countText } from '../text/numbers.ts'
import { momentText } from '../text/times.ts'

/** What a worker says of its job: `40 %, resizing`. */
export const jobText = ({ state, worker, progress, message }: NonNullable<RunStep['job']>): string => {
  if (state === 'queued') return 'for a worker'
  const said = [progress === null ? '' : `${Math.floor(progress * 100)} %`, message ?? ''].filter((text) => text !== '')
  return said.length > 0 ? said.join(', ') : `with ${worker ?? 'a worker'}`
}

type LiveBatch = NonNullable<RunStep['batches']>[number]

/** What a step waits for in a batch of a provider: `for batch_12, 40 of 500`. */
export const batchText = ({ batch_id: id, provider, requests, completed }: LiveBatch): string => {
  if (id === null) return `collected for a batch of ${provider}`
  return `for ${id}${requests === null ? '' : `, ${countText(completed ?? 0)} of ${countText(requests)}`}`
}

/** The same with when it was submitted, and when its calls are sent at once. */
export const batchFacts = (batch: LiveBatch): string => {
  const { submitted, until, failed } = batch
  const times =
    submitted === null ? `until ${momentText(until)}` : `submitted ${momentText(submitted)}, until ${momentText(until)}`
  return [batchText(batch), failed ? `${countText(failed)} failed` : '', times].filter((text) => text !== '').join(', ')
}
