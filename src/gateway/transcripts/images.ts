import { type JsonObject, parsedObject } from '../../lib/json/json-object.ts'
import { stringOf } from '../../lib/json/json-values.ts'

/** Assembles the images of a stream: the completed ones, else the latest partial one. */
export const imagesFrom = (events: readonly string[]): JsonObject => {
  const read = events.map(parsedObject).filter((event) => event !== undefined)
  const done = read.filter((event) => stringOf(event.type).endsWith('.completed'))
  const shown =
    done.length > 0 ? done : read.filter((event) => stringOf(event.type).endsWith('.partial_image')).slice(-1)
  const usage = done.findLast((event) => event.usage !== undefined)?.usage
  return {
    data: shown.map(({ b64_json: image, revised_prompt: revised }) => ({
      b64_json: image,
      ...(revised === undefined ? {} : { revised_prompt: revised }),
    })),
    ...(usage === undefined ? {} : { usage }),
  }
}
