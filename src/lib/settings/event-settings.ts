import { byteCount, seconds, setting, wholeNumber } from './setting.ts'

/** Limits of events that are sent to runs. */
export const eventSettings = {
  eventBytes: setting({
    variable: 'JETTY_EVENT_BYTES',
    description: 'Largest payload of an event that is sent to a run.',
    default: '256KiB',
    example: '1MiB',
    schema: byteCount(),
  }),
  eventKeepSeconds: setting({
    variable: 'JETTY_EVENT_KEEP_SECONDS',
    description: 'How long an event is kept while no run waits for it.',
    default: '604800',
    example: '86400',
    schema: seconds(),
  }),
  keptEvents: setting({
    variable: 'JETTY_KEPT_EVENTS',
    description: 'Events that a collection keeps while no run waits for them.',
    default: '10000',
    example: '1000',
    schema: wholeNumber(0, 1_000_000),
  }),
  keptEventBytes: setting({
    variable: 'JETTY_KEPT_EVENT_BYTES',
    description: 'Bytes of the payloads of these events.',
    default: '64MiB',
    example: '256MiB',
    schema: byteCount(),
  }),
}
