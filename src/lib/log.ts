import pino from 'pino'

export type Logger = pino.Logger

const secretNames = ['authorization', 'cookie', 'token', 'secret', 'password', 'apiKey', 'api_key', 'secret_params']

/** Fields that may hold a secret: at the top level, or one or two levels down. */
const redactedPaths = secretNames.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]).concat('headers["set-cookie"]')

/** Writes one JSON line for each event to stderr (stdout is for data). Known secrets are replaced by ***. */
export const createLogger = (options: {
  level: string
  name?: string
  /** Alternative destination. */
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
    // synchronous: the last line before a crash is the one that matters
    options.destination ?? pino.destination({ dest: 2, sync: true }),
  )
