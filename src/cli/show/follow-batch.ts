import pc from 'picocolors'
import { pause } from '../../lib/time.ts'
import type { Batch } from '../../model/runs/batch.ts'
import { interruption } from '../exit.ts'
import { type BatchPlace, batchText } from '../input/places.ts'
import type { Session } from '../session.ts'
import { duration, paintStatus } from './output.ts'
import { makeProgressLine } from './progress-line.ts'

const lookAgainMs = 1_000
/** The first looks come sooner: a small batch is done by then. */
const firstLooksMs = [100, 200, 400]

/** Dollars with as many digits as say something; empty where no cost is known. */
export const costText = (usd: number | null): string => (usd === null ? '' : `$${Number(usd.toPrecision(3))}`)

/** `412 of 500 ended · 3 failed · 20 running · $0.12`. */
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

/**
 * Watches a batch to its end and gives it as it is then. Ctrl-C ends the watching alone, and it is said how to go on;
 * throws then.
 */
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
    `The batch goes on without you: ${batchText(place)}`,
    `Watch it with:  jetty batch watch ${batchText(place)}\nCancel it with: jetty batch cancel ${batchText(place)}`,
  )
