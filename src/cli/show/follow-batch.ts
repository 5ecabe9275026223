import pc from 'picocolors'
import { pause } from '../../lib/time.ts'
import type { Batch } from '../../model/runs/batch.ts'
import { interruption } from '../exit.ts'
import { type BatchPlace, batchText } from '../input/places.ts'
import type { Session } from '../session.ts'
import { duration, paintStatus } from './output.ts'
import { makeProgressLine } from './progress-line.ts'

const lookAgainMs = 1_000
/** The first polls come sooner: a small batch may already have ended. */
const firstLooksMs = [100, 200, 400]

/** Formats dollars with significant digits; empty when unknown. */
export const costText = (usd: number | null): string => (usd === null ? '' : `$${Number(usd.toPrecision(3))}`)

/** For example `412 of 500 ended · 3 failed · 20 running · $0.12`. */
export const progressText = ({ counts, total, cost_usd }: Pick<Batch, 'counts' | 'total' | 'cost_usd'>): string => {
  const { pending, running, failed, cancelled } = counts
  return [
    `${total - pending - running} of ${total} ended`,
    ...(failed > 0 ? [pc.red(`${failed} failed`)] : []),
    ...(cancelled > 0 ? [pc.yellow(`${cancelled} cancelled`)] : []),
    ...(running > 0 ? [`${running} running`] : []),
    ...(cost_usd === null ? [] : [costText(cost_usd)]),
  ].join(' · ')
}

/** Watches a batch to its end and returns it. Ctrl-C ends only the watching: throws with how to continue. */
export const followBatch = async ({ client, out, signal }: Session, place: BatchPlace): Promise<Batch> => {
  const begun = Date.now()
  let batch = await client.getBatch({ params: place })
  const line = out.isJson
    ? undefined
    : makeProgressLine(() => `${progressText(batch)} ${pc.dim(duration((Date.now() - begun) / 1000))}`)
  try {
    for (let look = 0; batch.ended === null; look++) {
      if (!(await pause(firstLooksMs[look] ?? lookAgainMs, signal))) break
      batch = await client.getBatch({ params: place, signal })
    }
  } catch (error) {
    if (!signal.aborted) throw error
  } finally {
    line?.stop()
  }
  if (signal.aborted) throw goesOn(place)
  out.note(
    `${paintStatus(batch.status)} ${batchText(place)} ${progressText(batch)} ${pc.dim(duration(batch.duration_seconds))}`,
  )
  return batch
}

const goesOn = (place: BatchPlace): Error =>
  interruption(
    `The batch continues on the server: ${batchText(place)}`,
    `Watch it with:  jetty batch watch ${batchText(place)}\nCancel it with: jetty batch cancel ${batchText(place)}`,
  )
