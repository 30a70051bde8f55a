// The words of the page in two languages. The server's own messages come in the same one, by Accept-Language.

const WORDS = {
  "zh-CN": {
    brand: "稷下",
    motto: "与先贤对坐，与朋友夜谈",
    about: "战国时，齐国都城的稷门外有一座学宫，天下的读书人在那里相聚、发问、争辩。这里也摆好了席子，等你来坐。",
    signIn: "登录",
    register: "注册",
    email: "邮箱",
    password: "密码",
    passwordHint: "至少 8 个字符",
    nickName: "称呼",
    optional: "选填",
    tryAtOnce: "不注册，马上试试",
    tryHint: "由这个浏览器记住你，清除数据后不再保留",
    tryRefused: "这台服务器不提供试用，请用邮箱注册或登录",
    otherLanguage: "English",
    apiDocs: "接口文档",
    signOut: "退出登录",
    signedOut: "登录已失效，请重新登录",
    newTalk: "新的对话",
    talks: "对话",
    messages: "消息",
    noTalks: "还没有对话。挑一位，聊聊看。",
    moreTalks: "更多对话",
    menu: "打开对话列表",
    closeMenu: "关闭对话列表",
    manage: "管理对话「{title}」",
    manageTitle: "管理对话",
    title: "标题",
    save: "保存",
    cancel: "取消",
    close: "关闭",
    remove: "删除对话",
    removeSure: "删除后，里面的消息无法找回。已发生的账单会保留。",
    removeYes: "确定删除",
    removed: "已删除",
    choose: "今天想和谁谈谈？",
    masters: "先贤",
    mastersHint: "引原文作答，句句有出处",
    companions: "十六位朋友",
    companionsHint: "十六种性格，十六种聊法",
    start: "开始对话",
    catchphrase: "口头禅",
    quirks: "小习惯",
    ask: "想问{name}什么？",
    send: "发送",
    stop: "停止",
    tooLong: "最多 1,000 字，现在 {count} 字",
    count: "{count} / 1,000",
    older: "更早的消息",
    loading: "正在取来……",
    thinking: "{name}正在想……",
    answering: "{name}正在回答",
    answered: "{name}答：{text}",
    aigc: "内容由AI生成",
    toBottom: "回到最新",
    copy: "复制",
    copied: "已复制",
    sources: "引文",
    source: "引文 {n}：{place}",
    bill: "这次花费",
    billDetail: "{credits} 点（1 元 = 1,000,000 点） · 提问 {prompt} 词元，其中缓存 {cached} · 回答 {completion} 词元",
    stopped: "已停止，保留到这里",
    failed: "回复中断了",
    blocked: "这段内容未能显示",
    recalled: "已撤回",
    askAgain: "再问一次",
    retry: "重新发送",
    notSent: "没有发出去",
    reconnecting: "连接断了，正在接上……",
    lostStream: "连接断了，回复还在继续",
    takeUp: "接着看",
    gone: "没有找到这个对话，它可能已被删除",
    backHome: "回到首页",
    balanceWord: "余额",
    balance: "余额 {yuan}，共 {credits} 点。查看账单",
    held: "其中冻结 {yuan}",
    ledger: "账单",
    ledgerHint: "1 元 = 1,000,000 点",
    noEntries: "还没有记录",
    after: "余 {yuan}",
    billCredits: "{credits} 点",
    more: "更多",
    network: "连不上服务器，请检查网络后再试",
    timeout: "服务器太久没有回应，请再试一次",
    unknownError: "出了点问题，请稍后再试",
    errorId: "（编号 {id}）",
    yesterday: "昨天",
    type_recharge: "充值",
    type_consume: "对话",
    type_hold: "冻结",
    type_refund: "退回",
    type_grant: "赠送",
    type_adjust: "调整",
    you: "你",
  },
  en: {
    brand: "Jixia",
    motto: "Sit with the sages, talk with friends",
    about: "Twenty-three centuries ago, scholars met, asked and argued in an academy outside the Ji Gate of Qi's capital. A mat is laid out here for you, too.",
    signIn: "Sign in",
    register: "Register",
    email: "Email",
    password: "Password",
    passwordHint: "At least 8 characters",
    nickName: "What to call you",
    optional: "optional",
    tryAtOnce: "Try it without an account",
    tryHint: "This browser remembers you until its data is cleared",
    tryRefused: "This server offers no trial: please register or sign in by email",
    otherLanguage: "中文",
    apiDocs: "API documents",
    signOut: "Sign out",
    signedOut: "Your sign-in has ended: please sign in again",
    newTalk: "New conversation",
    talks: "Conversations",
    messages: "Messages",
    noTalks: "No conversations yet. Pick somebody and say hello.",
    moreTalks: "More conversations",
    menu: "Open the list of conversations",
    closeMenu: "Close the list of conversations",
    manage: "Manage “{title}”",
    manageTitle: "Manage conversation",
    title: "Title",
    save: "Save",
    cancel: "Cancel",
    close: "Close",
    remove: "Delete conversation",
    removeSure: "Its messages cannot be brought back. What was charged stays on the statement.",
    removeYes: "Delete it",
    removed: "Deleted",
    choose: "Who would you like to talk to?",
    masters: "Masters",
    mastersHint: "They answer from the originals, with sources",
    companions: "Sixteen friends",
    companionsHint: "Sixteen types, sixteen ways to talk",
    start: "Start talking",
    catchphrase: "Likes to say",
    quirks: "Habits",
    ask: "Ask {name} something",
    send: "Send",
    stop: "Stop",
    tooLong: "At most 1,000 characters; this has {count}",
    count: "{count} / 1,000",
    older: "Earlier messages",
    loading: "Loading…",
    thinking: "{name} is thinking…",
    answering: "{name} is answering",
    answered: "{name} says: {text}",
    aigc: "AI-generated content",
    toBottom: "To the newest",
    copy: "Copy",
    copied: "Copied",
    sources: "Sources",
    source: "Source {n}: {place}",
    bill: "What this cost",
    billDetail: "{credits} credits (1 yuan = 1,000,000) · prompt {prompt} tokens, {cached} of them cached · answer {completion} tokens",
    stopped: "Stopped here",
    failed: "The answer broke off",
    blocked: "This could not be shown",
    recalled: "Recalled",
    askAgain: "Ask again",
    retry: "Send again",
    notSent: "Not sent",
    reconnecting: "The connection broke; picking it up again…",
    lostStream: "The connection broke; the answer goes on",
    takeUp: "Keep reading",
    gone: "This conversation was not found; it may have been deleted",
    backHome: "Back to the start",
    balanceWord: "Balance",
    balance: "Balance {yuan}, {credits} credits. Show the statement",
    held: "{yuan} of it is held",
    ledger: "Statement",
    ledgerHint: "1 yuan = 1,000,000 credits",
    noEntries: "Nothing yet",
    after: "{yuan} left",
    billCredits: "{credits} credits",
    more: "More",
    network: "The server cannot be reached: check the connection and try again",
    timeout: "The server took too long: please try again",
    unknownError: "Something went wrong: please try again later",
    errorId: " (id {id})",
    yesterday: "Yesterday",
    type_recharge: "Recharge",
    type_consume: "Conversation",
    type_hold: "Held",
    type_refund: "Refund",
    type_grant: "Gift",
    type_adjust: "Adjustment",
    you: "You",
  },
};

// Openings to try: by character for the masters, the last entry for everybody else.
const OPENINGS = {
  "zh-CN": {
    classics_kongzi: ["“学而时习之”是什么意思？", "朋友总是失约，我该怎么办？", "怎样才算真正好学？"],
    classics_mengzi: ["人性到底是善还是恶？", "怎么养浩然之气？", "遇到不公，该忍还是该争？"],
    classics_laozi: ["“上善若水”怎么讲？", "总是焦虑，停不下来怎么办？", "无为就是什么都不做吗？"],
    classics_sunzi: ["“知己知彼”怎么用在面试上？", "和强势的对手谈判，先做什么？", "什么时候该放弃？"],
    others: ["最近有点累，想和你聊聊。", "帮我理一理手上的一件难事。", "讲讲你自己吧。"],
  },
  en: {
    classics_kongzi: ["What does “学而时习之” mean?", "A friend keeps letting me down. What should I do?"],
    classics_mengzi: ["Is human nature good or evil?", "What is 浩然之气, and how does one nourish it?"],
    classics_laozi: ["What does “上善若水” mean?", "Does wu wei mean doing nothing?"],
    classics_sunzi: ["How does “知己知彼” help in a job interview?", "When is it right to give up?"],
    others: ["I have been a bit tired lately. Can we talk?", "Help me sort out something difficult.", "Tell me about yourself."],
  },
};

const KEY = "jixia.language";

function stored() {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null;
  }
}

let current = stored() === "en" ? "en" : "zh-CN";

export function language() {
  return current;
}

export function toggleLanguage() {
  current = current === "en" ? "zh-CN" : "en";
  try {
    localStorage.setItem(KEY, current);
  } catch {
    // Without storage the choice lasts as long as the page.
  }
  applyLanguage();
}

export function applyLanguage() {
  document.documentElement.lang = current;
  document.title = current === "en" ? "Jixia" : "稷下";
}

export function t(key, values) {
  const text = WORDS[current][key] ?? key;
  return values ? text.replace(/\{(\w+)\}/g, (_, name) => String(values[name] ?? "")) : text;
}

export function openings(characterId) {
  return OPENINGS[current][characterId] ?? OPENINGS[current].others;
}

export function nameOf(character) {
  if (!character) return "";
  return current === "en" ? character.englishName || character.name : character.name;
}
