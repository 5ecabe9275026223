import { hostname } from 'node:os'
import { z } from 'zod'
import type { OwnActivity } from '../../activities/own/own-activity.ts'
import { readActivityModule } from '../../activities/own/read-module.ts'
import { AppError, messageOf } from '../../lib/errors.ts'
import type { RegisterWorker } from '../../model/workers/worker.ts'
import { sendableText } from './heartbeats.ts'
import type { WorkerOptions } from './worker-options.ts'

export const usualConcurrency = 4

/** Throws what is wrong with the activities of a worker, before it asks a server. */
const check = (activities: readonly OwnActivity[]): void => {
  const { problems } = readActivityModule(Object.fromEntries(activities.map((one, at) => [one.name ?? at, one])))
  for (const { name } of activities) {
    if (typeof name === 'string' && !name.includes('.')) {
      problems.push(`${name}: names of a worker's activities have a dot, such as text.${name}`)
    }
  }
  if (problems.length > 0)
    throw new AppError('invalid', `The worker cannot offer these activities:\n- ${problems.join('\n- ')}`)
}

const jsonSchema = (schema: z.ZodObject, io: 'input' | 'output'): Record<string, unknown> => {
  const { $schema: _, ...written } = z.toJSONSchema(schema, { io, unrepresentable: 'any' })
  return written
}

/** What a worker sends when it registers. Throws if an activity cannot be offered. */
export const registration = (options: WorkerOptions): RegisterWorker => {
  const { activities, name = hostname(), version, labels = [], concurrency = usualConcurrency, limits = {} } = options
  check(activities)
  return {
    name: name.slice(0, 100),
    version: version ?? null,
    labels: [...labels],
    concurrency,
    activities: activities.map((one) => ({
      name: one.name,
      description: one.description,
      parameters: jsonSchema(one.parameters, 'input'),
      outputs: jsonSchema(one.outputs, 'output'),
      concurrency: limits[one.name] ?? null,
      timeout_seconds: one.timeoutSeconds ?? null,
      idempotent: one.idempotent,
    })),
  }
}

/** The message of a failure for the server, which limits its length. */
export const jobFailureText = (thrown: unknown): string =>
  sendableText(messageOf(thrown), 10_000) || 'The activity failed'
