import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { scrubbedFile } from '../../src/engine/runbooks/scrubbed-file.ts'
import { AppError } from '../../src/lib/errors.ts'
import { contentTypeOf, extensionOf } from '../../src/lib/files/media-type.ts'
import { makeScrubber } from '../../src/lib/secrets/scrub.ts'
import { loadSettings } from '../../src/lib/settings/config.ts'
import { noLentKeys } from '../../src/model/collections/trial.ts'
import type { RunbookRequest } from '../../src/model/runbooks/runbook-request.ts'
import type { NewAgentEvent, RunbookHost, RunbookOutcome } from '../../src/model/runbooks/runbook-run.ts'
import { modelsFromSettings } from '../../src/server/models-from-settings.ts'
import { makeRunbookRunner } from '../../src/server/runbook-runner.ts'

export interface Carried {
  outcome: RunbookOutcome
  events: NewAgentEvent[]
  /** What was kept, by its path below the results folder or the name of the log. */
  kept: Map<string, Buffer>
  paid: { usd: number | null; tokens: number }[]
}

export interface CarryOptions {
  /** Of the collection. */
  env?: Record<string, string>
  secretParams?: string[]
  files?: Record<string, string | Buffer>
  signal?: AbortSignal
  isRepeated?: boolean
  chat?: RunbookHost['chat']
  /** Told of each event as it comes. */
  onEvent?(event: NewAgentEvent): void
  keep?: RunbookHost['keep']
}

export const read = async (body: AsyncIterable<Uint8Array>): Promise<Buffer> => {
  const chunks: Uint8Array[] = []
  for await (const chunk of body) chunks.push(chunk)
  return Buffer.concat(chunks)
}

/** What carries runbooks out, in sandboxes of this machine, with a data folder of its own. */
export const openRunner = async (env: Record<string, string> = {}) => {
  const dataDir = await mkdtemp(join(tmpdir(), 'jetty-runbooks-'))
  const settings = loadSettings({ JETTY_DATA_DIR: dataDir, ...env })
  const models = modelsFromSettings(settings, noLentKeys, [])
  const runner = await makeRunbookRunner({ settings, dataDir, models, log: pino({ level: 'silent' }) })
  let count = 0

  const hostOf = (options: CarryOptions) => {
    const events: NewAgentEvent[] = []
    const kept = new Map<string, Buffer>()
    const paid: Carried['paid'] = []
    const files = options.files ?? {}
    const scrub = makeScrubber(Object.entries(options.env ?? {}))
    const signal = options.signal ?? new AbortController().signal
    const host: RunbookHost = {
      id: `run-${++count}`,
      caller: { env: (name) => options.env?.[name] },
      secretParams: options.secretParams ?? [],
      paid: async (cost) => {
        paid.push(cost)
      },
      chat: options.chat ?? ((asked, how) => models.call(asked, { env: (name) => options.env?.[name], signal }, how)),
      openFile: async (path) => {
        const body = Object.hasOwn(files, path) ? files[path] : undefined
        if (body === undefined) throw new AppError('not_found', `There is no file ${path}`)
        const name = path.slice(path.lastIndexOf('/') + 1)
        return {
          name,
          content_type: contentTypeOf(name),
          size: body.length,
          async *open() {
            yield Buffer.from(body)
          },
        }
      },
      keep:
        options.keep ??
        (async (file, keepAs) => {
          const bytes = await read(file.open())
          kept.set(keepAs, bytes)
          return {
            path: `acme/task/0000/${keepAs}`,
            name: file.name,
            extension: extensionOf(file.name),
            content_type: file.content_type,
            size: bytes.length,
            relative_path: keepAs,
          }
        }),
      tell: (event) => {
        events.push(event)
        options.onEvent?.(event)
      },
      scrub: scrub.text,
      scrubFile: (file) => scrubbedFile(file, scrub),
      owner: { payer: 1, collectionId: 1 },
      isRepeated: options.isRepeated ?? false,
      signal,
    }
    return { host, events, kept, paid }
  }

  return {
    runner,
    settings,
    dataDir,
    async carryOut(
      instruction: string,
      request: Partial<RunbookRequest> = {},
      options: CarryOptions = {},
    ): Promise<Carried> {
      const { host, ...seen } = hostOf(options)
      const outcome = await runner.carryOut({ instruction, agent: 'scripted', ...request } as RunbookRequest, host)
      return { outcome, ...seen }
    },
    preflight: (instruction: string, request: Partial<RunbookRequest> = {}, options: CarryOptions = {}) =>
      runner.preflight({ instruction, ...request } as RunbookRequest, {
        env: (name) => options.env?.[name],
        secretParams: options.secretParams ?? [],
        hasFile: async (path) => Object.hasOwn(options.files ?? {}, path),
      }),
    async close() {
      await runner.close()
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}
