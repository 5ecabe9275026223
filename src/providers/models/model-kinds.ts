const otherKinds = /whisper|tts|transcribe|moderation|realtime|audio|rerank|-live-|^sora|^babbage|^davinci/

/** Whether a model can answer any call that this server makes, judging by its name. */
export const answersCalls = (name: string): boolean => !otherKinds.test(name)
