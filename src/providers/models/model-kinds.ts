const otherKinds = /whisper|tts|transcribe|moderation|realtime|audio|rerank|-live-|^sora|^babbage|^davinci/

/** Whether a model can answer any call that this server makes, judging by its name. */
export const answersCalls = (name: string): boolean => !otherKinds.test(name)

/** A call that some models answer and others do not. */
export type ModelCallKind = 'chat' | 'embeddings' | 'images'

/** Names of models that make embeddings, and of those that make images. */
const vectors = /embed|voyage/i
const images = /image|dall-e|imagen/i

/** The calls that a model answers, judging by its name. */
export const callsAnswered = (name: string): ModelCallKind[] => {
  const special: ModelCallKind[] = [
    ...(vectors.test(name) ? (['embeddings'] as const) : []),
    ...(images.test(name) ? (['images'] as const) : []),
  ]
  return special.length > 0 ? special : ['chat']
}
