import { AppError, invalidField } from '../../lib/errors.ts'
import { isDeeperThan, maxJsonDepth } from '../../lib/json/json-text.ts'
import { byteSize } from '../../lib/settings/byte-size.ts'

const secretName = /^[A-Za-z_][A-Za-z0-9_]*$/

/** Checks limits that JSON in a form, or escaped text, could bypass. */
export const checkParameters = (
  body: {
    init_params: Record<string, unknown>
    secret_params: Record<string, string>
    subscription_credential?: string | null | undefined
  },
  hasFiles: boolean,
  maxBytes: number,
): void => {
  if (body.subscription_credential || body.init_params.subscription_credential) {
    throw new AppError(
      'bad_request',
      'subscription_credential needs a user account; API keys and the admin have none',
      {
        hint: "Omit it, and set a key of the provider in the collection's environment or in secret_params.",
      },
    )
  }
  const text = JSON.stringify(body.init_params)
  if (Buffer.byteLength(text) > maxBytes) {
    throw new AppError('too_large', `init_params is too large. Maximum allowed size is ${byteSize(maxBytes)}`, {
      hint: 'Send large data as a file.',
    })
  }
  if (isDeeperThan(text, maxJsonDepth)) {
    throw invalidField(['body', 'init_params'], `init_params is nested deeper than ${maxJsonDepth} levels`, 'too_deep')
  }
  if (hasFiles && !Array.isArray(body.init_params.file_paths ?? [])) {
    const message = 'file_paths must be a list when files are sent: their paths are added to it'
    throw invalidField(['body', 'init_params', 'file_paths'], message, 'list_expected')
  }
  checkSecretNames(body.secret_params)
}

/** Secrets of a run become environment variables, so their names must be valid. */
export const checkSecretNames = (secrets: Record<string, string>): void => {
  for (const name of Object.keys(secrets)) {
    if (!secretName.test(name)) {
      throw invalidField(
        ['body', 'secret_params', name],
        'A name consists of letters, digits and _, and does not start with a digit',
      )
    }
  }
}
