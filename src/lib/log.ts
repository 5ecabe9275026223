import pino from 'pino'

export type Logger = pino.Logger

const secretNames = ['authorization', 'cookie', 'token', 'secret', 'password', 'apiKey', 'api_key', 'secret_params']

/** Where a secret may stand in a log line: at the top, or one or two levels down. */
const redactedPaths = secretNames.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]).concat('headers["set-cookie"]')

/** Writes one JSON line an event to stderr, which keeps stdout for data. Known secrets are replaced by ***. */
export const createLogger = (options: {
  level: string
  name?: string
  /** Where the lines go instead. */
  destination?: pino.DestinationStream
}): Logger =>
  pino(
    {
      level: options.level,
      base: options.name ? { name: options.name } : null,
      timestamp: pino.stdTimeFunctions.isoTime,
      redact: { paths: redactedPaths, censor: '***' },
      formatters: { level: (label) => ({ level: label }) },
    },
    options.destination ?? pino.destination({ dest: 2, sync: true }), // sync: the last line before a crash is the one that matters
  )
