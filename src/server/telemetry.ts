import { randomUUID } from 'node:crypto'
import type { Metrics } from '../api/metrics/metrics.ts'
import type { CollectionCollector, CollectionExports } from '../background/otlp-export/collection-exports.ts'
import type { CollectorSettings } from '../background/otlp-export/collector.ts'
import type { MetricExport } from '../background/otlp-export/metric-export.ts'
import type { TraceSending } from '../background/otlp-export/send-traces.ts'
import type { TraceExport } from '../background/otlp-export/trace-export.ts'
import { messageOf } from '../lib/errors.ts'
import { requireAllowedHost } from '../lib/net/hosts.ts'
import type { Settings } from '../lib/settings/config.ts'
import { makeSampler, type TraceSampler } from '../lib/text/trace-context.ts'
import { now } from '../lib/time.ts'
import { version } from '../lib/version.ts'
import type { ModelKind } from '../model/gateway/model-calls.ts'
import { makeSettingsReader } from '../store/collections/collections.ts'
import { readEnvironment } from '../store/collections/environments.ts'
import { isCollectionExportDue } from '../store/trace-exports.ts'
import type { GenAiOperation } from '../traces/genai-attributes.ts'
import { traceSampler } from './engine-options.ts'
import { addressOf } from './models-from-settings.ts'
import { makeOutboundNetwork } from './outbound-network.ts'
import type { ServerCore } from './server-core.ts'

/** What kinds of model calls are called by the conventions for GenAI. */
const operations: Record<ModelKind, GenAiOperation> = {
  chat: 'chat',
  embeddings: 'embeddings',
  images: 'generate_content',
  prediction: 'generate_content',
}

const operationOf =
  (activities: ServerCore['activities']) =>
  (name: string): GenAiOperation | undefined => {
    const activity = activities.get(name)
    if (activity?.carriesOut === 'runbook') return 'invoke_agent'
    return activity?.asks && operations[activity.asks.kind]
  }

/** The collector that the operator has set, and the way to it; undefined without one. */
const collectorOf = (settings: Settings) => {
  const url = settings.otlpEndpoint
  if (url === undefined) return undefined
  const collector: CollectorSettings = {
    url,
    headers: settings.otlpHeaders ?? {},
    format: settings.otlpProtocol === 'http/json' ? 'json' : 'protobuf',
    isCompressed: settings.otlpCompression === 'gzip',
    timeoutMs: settings.otlpTimeoutMs,
  }
  return { collector, open: makeOutboundNetwork({ allowPrivateNetwork: [addressOf(url)] }).open }
}

/** Attributes of the program that sends. */
const resourceOf = (settings: Settings): Record<string, string> => ({
  ...settings.otelResourceAttributes,
  'service.name': settings.otelServiceName,
  'service.version': version,
})

/** What the exports of traces to all collectors share. */
const sendingOf = ({ settings, database, activities }: ServerCore, sampler: TraceSampler): TraceSending => ({
  database: database.database,
  operationOf: operationOf(activities),
  sampler,
  limits: { spans: settings.otlpBatchSpans, bytes: settings.otlpBatchBytes },
  resource: resourceOf(settings),
  version,
})

/** Opens the export of traces to the collector of the operator; undefined without one. */
export const openTraceExport = async (core: ServerCore): Promise<TraceExport | undefined> => {
  const { settings, engine, log } = core
  const destination = collectorOf(settings)
  const sampler = traceSampler(settings)
  if (!destination || !sampler) return undefined
  const { makeTraceExport } = await import('../background/otlp-export/trace-export.ts')
  const traces = makeTraceExport({
    ...sendingOf(core, sampler),
    ...destination,
    contentCharacters: settings.otlpContents ? settings.otlpValueCharacters : 0,
    lookFor: engine.lookFor,
    log,
  })
  await traces.begin()
  return traces
}

/** A line break would begin another header. */
const isHeaderValue = (value: string) => /^[\t\x20-\x7e\x80-\xff]*$/.test(value)

/** Why a host is not among those that a collection may reach; undefined where it is. */
const unlistedHost = (url: string, allowed: readonly string[]): string | undefined => {
  try {
    requireAllowedHost(new URL(url), allowed)
  } catch (error) {
    return messageOf(error)
  }
}

/** Reads the collector of a collection as its settings and variables are now. */
const collectorReader = ({ settings, database: { database }, installation: { sealer } }: ServerCore) => {
  const settingsOf = makeSettingsReader(database)
  return async (collectionId: number): Promise<CollectionCollector | string | undefined> => {
    const { trace_export: wanted, allowed_hosts: allowed } = await settingsOf(collectionId)
    const { url, headers: named, contents } = wanted ?? {}
    if (!url) return undefined
    const refusal = allowed && unlistedHost(url, allowed)
    if (refusal) return refusal
    const variables = await readEnvironment(database, sealer, collectionId)
    const headers: Record<string, string> = {}
    for (const [name, variable] of Object.entries(named ?? {})) {
      if (variable === null) continue
      const value = variables.get(variable)?.trim()
      if (!value) return `The header ${name} needs the environment variable ${variable}, which is not set`
      if (!isHeaderValue(value)) return `The environment variable ${variable} has characters that no header may have`
      headers[name] = value
    }
    return {
      collector: {
        ...{ url: url.replace(/\/+$/, ''), headers, format: 'protobuf', isCompressed: true },
        timeoutMs: settings.otlpTimeoutMs,
      },
      contentCharacters: contents ? settings.otlpValueCharacters : 0,
    }
  }
}

/** The export of traces to the collectors of collections. Its code is loaded when the first run waits for it. */
export const openCollectionExports = (core: ServerCore) => {
  const { settings, engine, network, log } = core
  let loading: Promise<CollectionExports> | undefined
  let isStopping = false
  const load = async () => {
    const { makeCollectionExports } = await import('../background/otlp-export/collection-exports.ts')
    return makeCollectionExports({
      ...sendingOf(core, makeSampler(settings.tracesSampler, settings.tracesSampled)),
      open: network.open,
      collectorOf: collectorReader(core),
      atOnce: settings.otlpCollectorsAtOnce,
      log,
    })
  }
  const hurry = async () => {
    if (isStopping) return
    loading ??= load()
    const exports = await loading
    exports.hurry()
  }
  return {
    start: () =>
      engine.lookFor({
        condition: isCollectionExportDue,
        now: () => new Date(now()),
        onSeen: () => void hurry().catch((err) => log.error({ err }, 'the export of traces cannot begin')),
      }),
    async stop(seconds: number) {
      isStopping = true
      await (await loading)?.stop(seconds)
    },
  }
}

/** Starts the export of the metrics of this process; undefined without a collector that takes them. */
export const openMetricExport = async (
  { settings, log }: Pick<ServerCore, 'settings' | 'log'>,
  { families }: Pick<Metrics, 'families'>,
): Promise<MetricExport | undefined> => {
  const destination = collectorOf(settings)
  if (!destination || settings.metricsExporter === 'none') return undefined
  const { startMetricExport } = await import('../background/otlp-export/metric-export.ts')
  const resource = { 'service.instance.id': randomUUID(), ...resourceOf(settings) }
  return startMetricExport({ ...destination, resource, version, families, everyMs: settings.metricsEveryMs, log })
}
