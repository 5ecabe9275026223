import type { JsonObject } from '../../lib/json/json-object.ts'
import type { Shape } from '../../model/gateway/shape.ts'
import { chatFrom } from './chat.ts'
import { imagesFrom } from './images.ts'
import { messageFrom } from './messages.ts'
import { responseFrom } from './responses.ts'

const assemblers: Record<Shape, (events: readonly string[]) => JsonObject> = {
  chat: chatFrom,
  embeddings: chatFrom, // never streamed
  images: imagesFrom,
  responses: responseFrom,
  messages: messageFrom,
}

/** Assembles the answer that a stream amounts to. `events` are the data of its events, in order. */
export const answerFrom = (shape: Shape, events: readonly string[]): JsonObject => assemblers[shape](events)
