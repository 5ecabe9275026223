import { randomUUID } from 'node:crypto'
import type { Metrics } from '../api/metrics/metrics.ts'
import type { CollectorSettings } from '../background/otlp-export/collector.ts'
import type { MetricExport } from '../background/otlp-export/metric-export.ts'
import type { TraceExport } from '../background/otlp-export/trace-export.ts'
import type { Settings } from '../lib/settings/config.ts'
import { version } from '../lib/version.ts'
import type { ModelKind } from '../model/gateway/model-calls.ts'
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
  const resource = {
    ...settings.otelResourceAttributes,
    'service.name': settings.otelServiceName,
    'service.version': version,
  }
  return { collector, resource, open: makeOutboundNetwork({ allowPrivateNetwork: [addressOf(url)] }).open }
}

/** Opens the export of traces to the collector of the operator; undefined without one. */
export const openTraceExport = async (core: ServerCore): Promise<TraceExport | undefined> => {
  const { settings, engine, log } = core
  const destination = collectorOf(settings)
  const sampler = traceSampler(settings)
  if (!destination || !sampler) return undefined
  const { makeTraceExport } = await import('../background/otlp-export/trace-export.ts')
  const traces = makeTraceExport({
    ...destination,
    database: core.database.database,
    operationOf: operationOf(core.activities),
    sampler,
    contentCharacters: settings.otlpContents ? settings.otlpValueCharacters : 0,
    limits: { spans: settings.otlpBatchSpans, bytes: settings.otlpBatchBytes },
    version,
    lookFor: engine.lookFor,
    log,
  })
  await traces.begin()
  return traces
}

/** Starts the export of the metrics of this process; undefined without a collector that takes them. */
export const openMetricExport = async (
  { settings, log }: Pick<ServerCore, 'settings' | 'log'>,
  { families }: Pick<Metrics, 'families'>,
): Promise<MetricExport | undefined> => {
  const destination = collectorOf(settings)
  if (!destination || settings.metricsExporter === 'none') return undefined
  const { startMetricExport } = await import('../background/otlp-export/metric-export.ts')
  const resource = { 'service.instance.id': randomUUID(), ...destination.resource }
  return startMetricExport({ ...destination, resource, version, families, everyMs: settings.metricsEveryMs, log })
}
