import { randomUUID } from 'node:crypto'
import type { z } from 'zod'
import {
  implementScoped,
  type ReadScopedBody,
  type Route,
  type ScopedBody,
  type ScopedCall,
} from '../../http/implement.ts'
import { decodeText, parseJson } from '../../http/input/body.ts'
import { checkBody } from '../../http/input/parse.ts'
import { Reply } from '../../http/reply.ts'
import { AppError } from '../../lib/errors.ts'
import { authorOf, recordedBy } from '../../model/collections/identity.ts'
import type { Database } from '../../store/database/database.ts'
import { insist } from '../../store/runs/labels.ts'
import { setScore } from '../../store/runs/trace-scores.ts'
import { type Score, scoreSchema, tracesContract } from './contract.ts'

interface ScoresDeps {
  database: Database
  settings: { maxLabelsPerRun: number; maxBodyValues: number }
}

interface SentBody extends ScopedBody {
  bytes: Buffer
}

type SentCall = ScopedCall<SentBody>

const readBody: ReadScopedBody<SentBody> = async (bytes, headers) => ({
  bytes,
  collection: headers['x-jetty-collection']?.toString() || undefined,
})

/** Langfuse's clients send a boolean as a number. */
const booleans: Readonly<Record<string, string>> = { '1': 'true', '0': 'false', True: 'true', False: 'false' }

const longestName = 200
const commentEnding = '.comment'

const labelsOf = ({ name, value, comment, dataType }: Score): { key: string; value: string }[] => [
  { key: name, value: dataType === 'BOOLEAN' ? (booleans[value] ?? value) : value },
  ...(comment ? [{ key: `${name.slice(0, longestName - commentEnding.length)}${commentEnding}`, value: comment }] : []),
]

/** Makes the routes by which clients of Langfuse judge traces. A score of a span has the span as its author. */
export const scoresRoutes = ({ database, settings }: ScoresDeps): Route[] => {
  const set = async ({ collection, identity }: SentCall, score: Score): Promise<void> => {
    const outcome = await insist(database, (queries) =>
      setScore(
        queries,
        {
          traceId: score.traceId,
          collectionId: collection.id,
          labels: labelsOf(score),
          author: score.observationId ? `span ${score.observationId}`.slice(0, longestName) : authorOf(identity),
          recordedBy: recordedBy(identity),
        },
        settings.maxLabelsPerRun,
      ),
    )
    if (outcome === 'too_many_labels') {
      throw new AppError('invalid', `A run has at most ${settings.maxLabelsPerRun} labels`, {
        hint: 'Remove some labels, or raise JETTY_MAX_LABELS_PER_RUN.',
      })
    }
    if (outcome === 'too_many_early') {
      throw new AppError('busy', 'Too many scores wait for their traces', {
        hint: 'Export the traces that they judge to this collection first.',
        retryAfterSeconds: 60,
      })
    }
  }

  const read = async <Schema extends z.ZodType>(schema: Schema, call: SentCall): Promise<z.output<Schema>> => {
    const reading = { mostValues: settings.maxBodyValues, owner: call.collection.name, room: call.memory.take }
    const value = await parseJson(decodeText(call.body.bytes), { contentType: 'application/json', ...reading })
    checkBody(schema, value)
    return schema.parse(value)
  }

  const { createScore, ingestEvents } = tracesContract

  const create = async (call: SentCall): Promise<Reply> => {
    const score = await read(createScore.body, call)
    await set(call, score)
    return json({ id: score.id ?? randomUUID() })
  }

  const ingest = async (call: SentCall): Promise<Reply> => {
    const { batch } = await read(ingestEvents.body, call)
    const successes: { id: string; status: number }[] = []
    const errors: { id: string; status: number; message: string }[] = []
    for (const { id, type, body } of batch) {
      const score = scoreSchema.safeParse(body)
      if (type !== 'score-create') {
        errors.push({ id, status: 400, message: `${type} is not taken here: export traces over OTLP, to /v1/traces` })
      } else if (!score.success) {
        errors.push({ id, status: 400, message: score.error.issues.map(({ message }) => message).join('; ') })
      } else {
        const refusal = await set(call, score.data).catch((error: unknown) => {
          if (error instanceof AppError && error.code !== 'busy') return error
          throw error
        })
        if (refusal) errors.push({ id, status: refusal.status, message: refusal.message })
        else successes.push({ id, status: 201 })
      }
    }
    return json({ successes, errors })
  }

  return [
    implementScoped('createScore', createScore, readBody, create),
    implementScoped('ingestEvents', ingestEvents, readBody, ingest),
  ]
}

const json = (value: unknown): Reply => new Reply(JSON.stringify(value), { 'content-type': 'application/json' })
