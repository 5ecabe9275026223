import { implement, type Route } from '../../http/implement.ts'
import { AppError } from '../../lib/errors.ts'
import { isObject, parsedObject } from '../../lib/json/json-object.ts'
import { makeScrubber } from '../../lib/secrets/scrub.ts'
import { doInSlices } from '../../lib/slices.ts'
import type { StepSpan } from '../../model/runs/step.ts'
import type { StepUsage } from '../../model/runs/step-usage.ts'
import type { Models } from '../../providers/provider.ts'
import type { Database } from '../../store/database/database.ts'
import { insist } from '../../store/runs/labels.ts'
import {
  beginRemap,
  nextTrace,
  type RemapPlace,
  type RemappedSpan,
  rewriteSpans,
  spansToRemap,
} from '../../store/runs/remap-traces.ts'
import { findTask } from '../../store/tasks/tasks.ts'
import { tracesContract } from './contract.ts'
import { type Reader, readStep } from './read-step.ts'

interface RemapDeps {
  database: Database
  models: Pick<Models, 'prices'>
}

/** What is stored has no secrets any more. */
const nothing = makeScrubber([])

type StoredSpan = Awaited<ReturnType<typeof spansToRemap>>[number]

const cursorOf = ({ after, until, traceId, spanId }: RemapPlace): string => [after, until, traceId, spanId].join('.')

const placeOf = (cursor: string): RemapPlace => {
  const [, after, until, traceId = '', spanId = ''] =
    /^(\d{1,15})\.(\d{1,15})\.([0-9a-f]{32})?\.([0-9a-f]{16})?$/.exec(cursor) ?? []
  if (after !== undefined && until !== undefined) return { after: Number(after), until: Number(until), traceId, spanId }
  throw new AppError('invalid', 'The cursor is not one of this call', {
    hint: 'Pass next_cursor of the answer before, or none to begin.',
  })
}

const attributesOf = (text: string) => {
  const stored = parsedObject(text)
  const attributes = isObject(stored?.attributes) ? stored.attributes : {}
  return isObject(stored?.inherited) ? { ...attributes, ...stored.inherited } : attributes
}

/** Reads stored spans again, one by one, and returns those that have changed. */
function* reread(spans: readonly StoredSpan[], reader: Reader) {
  const changed: RemappedSpan[] = []
  for (const { span_id: spanId, parent_id: parentId, name, scope, seq, ...stored } of spans) {
    const { labels: _, ...read } = yield* readStep({ attributes: attributesOf(stored.attributes) }, reader)
    const { kind, model, cost_from, call, differs, counted_elsewhere } = (parsedObject(stored.span) ??
      {}) as Partial<StepSpan>
    // What other witnesses of a call have said stays.
    const isWitnessed = call !== undefined || counted_elsewhere
    const usage = stored.usage === null ? undefined : (JSON.parse(stored.usage) as StepUsage)
    const step = isWitnessed
      ? { ...read, usage, costFrom: cost_from, call, differs, isCountedElsewhere: counted_elsewhere }
      : read
    const isSame =
      step.inputs === stored.inputs &&
      step.outputs === stored.outputs &&
      step.kind === kind &&
      step.model === model &&
      step.costFrom === cost_from &&
      // a call around another one has none
      (stored.usage === null || JSON.stringify(step.usage) === stored.usage)
    if (!isSame) changed.push({ ...step, spanId, parentId, name, scope, seq })
    yield
  }
  return changed
}

/** Makes the route that applies the conventions of today to traces that are stored. */
export const remapRoutes = ({ database, models }: RemapDeps): Route[] =>
  implement(
    { remapTraces: tracesContract.remapTraces },
    {
      async remapTraces({ collection, body: { task, cursor } }) {
        const place = cursor === undefined ? await beginRemap(database, collection.id) : placeOf(cursor)
        const found = task === undefined ? undefined : await findTask(database, collection.id, task)
        if (task !== undefined && !found) throw new AppError('not_found', `Task '${task}' not found`)
        const at = { collectionId: collection.id, taskId: found?.id ?? null }
        const { run, isEnd, place: here } = await nextTrace(database, at, place)
        if (!run) return { spans: 0, changed: 0, next_cursor: isEnd ? null : cursorOf(here) }
        const spans = await spansToRemap(database, run.id, here.spanId)
        const last = spans.at(-1)
        if (!last) return { spans: 0, changed: 0, next_cursor: cursorOf({ ...here, traceId: '', spanId: '' }) }
        const reader = { scrub: nothing, prices: await models.prices() }
        const changed = await doInSlices(reread(spans, reader), collection.name)
        if (changed.length > 0) {
          const rewritten = { ...run, collectionId: collection.id }
          await insist(database, (queries) => rewriteSpans(queries, rewritten, changed))
        }
        return {
          spans: spans.length,
          changed: changed.length,
          next_cursor: cursorOf({ ...here, spanId: last.span_id }),
        }
      },
    },
  )
